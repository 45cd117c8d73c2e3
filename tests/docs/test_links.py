"""Every link within the repository leads somewhere, and every page can be found from the index."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.pages import anchors, links, pages
from tests.docs.tables import DOCS, ROOT

INDEX = DOCS / "README.md"
KINDS = ("tutorials", "how-to", "nas", "reference", "explanation")
PAGES = pages()


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_relative_links_lead_to_files_and_headings(page: Path) -> None:
    for link in links(page):
        if "://" in link.target or link.target.startswith("mailto:"):
            continue
        path, _, anchor = link.target.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), str(link)
        assert target.is_relative_to(ROOT), f"{link}: leads out of the repository"
        if anchor:
            assert anchor in anchors(target), f"{link}: no such heading; there are {sorted(anchors(target))}"


def test_the_index_lists_every_page() -> None:
    listed = {(INDEX.parent / link.target.partition("#")[0]).resolve() for link in links(INDEX)}
    decisions = DOCS / "decisions"
    for page in DOCS.rglob("*.md"):
        if page not in (INDEX, *decisions.glob("0*.md")):
            assert page in listed, f"{name(page)} is not in {name(INDEX)}"


def test_the_list_of_decisions_is_complete_and_in_order() -> None:
    folder = DOCS / "decisions"
    listed = [link.target for link in links(folder / "README.md") if link.target.startswith("0")]
    assert listed == sorted(page.name for page in folder.glob("0*.md"))


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_pages_and_a_heading_in_the_index(kind: str) -> None:
    assert list((DOCS / kind).glob("*.md"))
    assert any(anchor.startswith(kind) for anchor in anchors(INDEX))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_page_has_one_title(page: Path) -> None:
    titles = [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("# ")]
    assert page.read_text(encoding="utf-8").startswith("# ")
    assert len([line for line in titles if not line.startswith("# …")]) >= 1
