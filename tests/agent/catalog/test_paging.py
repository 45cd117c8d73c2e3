"""How recordings are divided into pages: a change rewrites the page that it is in."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from agent.catalog.paging import MOST, MOST_BYTES, USUAL, Entry, Pager
from clipping.contract.catalog import BrokenCatalog, CatalogPage

Tree = dict[str, list[Entry]]


def pages(tree: Tree) -> list[CatalogPage]:
    pager, found = Pager(), []
    for path in sorted(tree, key=lambda each: each.split("/") if each else []):
        found.append(pager.folder(path))
        found += [pager.recording(entry) for entry in sorted(tree[path], key=lambda each: each.name)]
    return [page for page in [*found, pager.rest()] if page is not None]


def contents(found: list[CatalogPage]) -> list[tuple[str, str, int, int]]:
    rows = []
    for page in found:
        at = 0
        for folder, count in page.folders:
            for n in range(at, at + count):
                rows.append((folder, page.names[n], page.sizes[n], page.modified[n]))
            at += count
    return rows


@pytest.fixture(scope="module")
def tree() -> Tree:
    dice = random.Random(1)
    folders = ["", *(f"{n % 7}/{n}" for n in range(40))]
    return {
        path: [Entry(f"r{dice.randrange(10**9):09}.mp4", n, n * 1000) for n in range(dice.randrange(400))]
        for path in folders
    }


def test_nothing_is_lost_and_the_order_is_kept(tree: Tree) -> None:
    found = pages(tree)
    rows = contents(found)
    assert len(rows) == sum(len(entries) for entries in tree.values())
    keys = [(folder.split("/") if folder else [], name) for folder, name, _, _ in rows]
    assert all(one < other for one, other in pairwise(keys))
    assert {folder for page in found for folder, _ in page.folders} == tree.keys()
    assert len(rows) / USUAL / 4 < len(found) < len(rows) / USUAL * 4


def test_a_change_changes_its_page_only(tree: Tree) -> None:
    before = {page.pack()[0] for page in pages(tree)}
    dice = random.Random(2)
    for _ in range(3):
        path = dice.choice([each for each in tree if tree[each]])
        entries = tree[path]
        changed = {
            "appears": [*entries, Entry(f"r{dice.randrange(10**9):09}.mp4", 1, 1)],
            "grows": [Entry(entries[0].name, entries[0].size + 1, 2, growing=True), *entries[1:]],
            "vanishes": entries[1:],
        }
        for what, now in changed.items():
            after = {page.pack()[0] for page in pages({**tree, path: now})}
            assert 1 <= len(after - before) <= 2, what


def test_pages_are_bounded() -> None:
    for entries in (
        [Entry(f"{'n' * 200}{n}.mp4", 1, 1) for n in range(5000)],
        [Entry(f"{n}.mp4", 1, 1) for n in range(3 * MOST)],
    ):
        found = pages({"": entries, "long/" * 500: [], **{f"f{n:05}": [] for n in range(MOST)}})
        assert all(len(page.names) + len(page.folders) <= MOST for page in found)
        assert all(sum(map(len, page.names)) <= MOST_BYTES for page in found)
        assert sum(len(page.names) for page in found) == len(entries)


def test_a_page_is_read_as_it_was_written_or_not_at_all() -> None:
    (page,) = pages({"": [Entry("a\n\u00e4.mp4", 2**40, 1, growing=True, known=(1.5, ("h264",)))]})
    digest, packed = page.pack()
    assert CatalogPage.unpack(digest, packed) == page
    assert page.pack() == (digest, packed)
    for other in (packed[:-9], packed[:10] + b"0" + packed[11:], b"", b"no page", packed[:40] + packed):
        with pytest.raises(BrokenCatalog):
            CatalogPage.unpack(digest, other)
    with pytest.raises(BrokenCatalog, match="damaged"):
        CatalogPage.unpack("0" * 32, packed)
