"""The pages that people read, and what is in them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.docs.tables import DOCS, ROOT

_FENCE = re.compile(r"^```.*?^```\n?", re.M | re.S)
_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.M)


@dataclass(frozen=True)
class Link:
    """A link, where it is."""

    page: Path
    target: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}: {self.target}"


def pages() -> list[Path]:
    """All pages of Markdown that people read."""
    top = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    return [*top, *sorted(DOCS.rglob("*.md")), *sorted((ROOT / "deploy").rglob("*.md"))]


def text(page: Path) -> str:
    """Without blocks of code."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def blocks(page: Path) -> str:
    """The blocks of code alone."""
    return "\n".join(_FENCE.findall(page.read_text(encoding="utf-8")))


def codes(page: Path) -> Iterator[str]:
    """What stands between backquotes."""
    yield from _CODE.findall(text(page))


def links(page: Path) -> Iterator[Link]:
    """Links to other places, but for those in code."""
    for target in _LINK.findall(_CODE.sub("", text(page))):
        yield Link(page, target)


def anchors(page: Path) -> set[str]:
    """As GitHub makes them from headings."""
    seen: Counter[str] = Counter()
    found = set()
    for heading in _HEADING.findall(text(page)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").strip().lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found
