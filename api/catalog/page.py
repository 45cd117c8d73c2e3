"""A page of the catalogue in memory: columns, and one text to search."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from clipping.contract.catalog import CatalogPage, Known
from clipping.text import folded


@dataclass(frozen=True)
class Group:
    """Recordings of one folder that follow each other in a page."""

    folder: str
    parts: tuple[str, ...]
    """The folder's, by which folders are in order."""
    start: int
    stop: int


@dataclass(frozen=True)
class Row:
    """A recording."""

    folder: str
    name: str
    size: int
    modified: int
    growing: bool
    known: Known | None

    @property
    def path(self) -> str:
        """Below its root."""
        return f"{self.folder}/{self.name}" if self.folder else self.name


class LoadedPage:
    """Takes about 150 bytes a recording."""

    def __init__(self, page: CatalogPage) -> None:
        self.groups = tuple(_groups(page))
        self.names = page.names
        self._sizes, self._modified = array("Q", page.sizes), array("q", page.modified)
        self._growing = frozenset(page.growing)
        self._known = {one.at: one for one in page.known}
        self._starts = array("I", [group.start for group in self.groups])
        lines = [
            _searched(f"{group.folder}/{name}" if group.folder else name)
            for group in self.groups
            for name in page.names[group.start : group.stop]
        ]
        self._text = "\n".join(lines)
        self._lines = array("I", accumulate((len(line) + 1 for line in lines), initial=0))

    def row(self, at: int) -> Row:
        """The recording at a position."""
        group = self.group(at)
        return Row(
            group.folder,
            self.names[at],
            self._sizes[at],
            self._modified[at],
            at in self._growing,
            self._known.get(at),
        )

    def group(self, at: int) -> Group:
        """The group of the recording at a position."""
        # Several groups may start there: all but the last one are empty.
        return self.groups[bisect_right(self._starts, at) - 1]

    def matches(self, terms: Sequence[str], start: int) -> Iterator[int]:
        """The positions, from `start`, of recordings whose path below the root contains all terms (see
        `terms_of`; there is at least one)."""
        rarest, *others = terms
        text, lines = self._text, self._lines
        if not all(term in text for term in others):
            return  # else each path with the first one would be searched for all
        found = text.find(rarest, lines[start]) if start < len(self.names) else -1
        while found >= 0:
            at = bisect_right(lines, found) - 1
            end = lines[at + 1]
            if all(text.find(term, lines[at], end) >= 0 for term in others):
                yield at
            found = text.find(rarest, end)


def terms_of(q: str) -> list[str]:
    """What a path has to contain: the words of a query, in any case and order. The longest is first, as it is
    the rarest; a word that is part of another one is left out."""
    found: list[str] = []
    for term in sorted(folded(q).split(), key=len, reverse=True):
        if not any(term in longer for longer in found):
            found.append(term)
    return found


def _searched(path: str) -> str:
    # No term has white space, and none is found across two paths.
    return folded(path).replace("\n", " ")


def _groups(page: CatalogPage) -> Iterator[Group]:
    start = 0
    for folder, count in page.folders:
        yield Group(folder, parts_of(folder), start, start + count)
        start += count


def parts_of(folder: str) -> tuple[str, ...]:
    """The parts of a folder below its root; none for the root itself."""
    return tuple(folder.split("/")) if folder else ()
