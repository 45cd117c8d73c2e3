"""Divides the recordings of a root into pages. Pure.

A page ends where the path of a recording or folder says so (by its checksum), not after a number of them: a
recording that is added or removed changes the page that it is in, and no other.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

from clipping.contract.catalog import CatalogPage, Known

USUAL = 1000
"""Recordings and folders of a page, on average."""
MOST, MOST_BYTES = 4 * USUAL, 256 << 10
"""Of one page. Bytes are those of names and folders."""


@dataclass(frozen=True)
class Entry:
    """A recording."""

    name: str
    size: int
    modified: int
    """Milliseconds since 1970."""
    growing: bool = False
    known: tuple[float | None, tuple[str, ...]] | None = None
    """Its duration and codecs."""


@dataclass
class _Columns:
    folders: list[tuple[str, int]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    modified: list[int] = field(default_factory=list)
    growing: list[int] = field(default_factory=list)
    known: list[Known] = field(default_factory=list)
    bytes: int = 0


class Pager:
    """Takes the folders of a root in their order, and after each its recordings by name.

    Each call returns the page that was complete before, if there is one.
    """

    def __init__(self) -> None:
        self._page = _Columns()
        self._ends = False
        """Whether the page ends here."""

    def folder(self, path: str) -> CatalogPage | None:
        """A folder below the root."""
        complete = self._cut() if self._ends or self._is_full(path) else None
        self._begin(path)
        return complete

    def recording(self, entry: Entry) -> CatalogPage | None:
        """A recording in the last folder."""
        path, complete = self._page.folders[-1][0], None
        if self._ends or self._is_full(entry.name):
            complete = self._cut()
            self._begin(path)
        self._add(path, entry)
        self._ends = _ends_page(f"{path}/{entry.name}")
        return complete

    def rest(self) -> CatalogPage | None:
        """The last page."""
        return self._cut() if self._page.folders else None

    def _add(self, path: str, entry: Entry) -> None:
        page = self._page
        at = len(page.names)
        if entry.growing:
            page.growing.append(at)
        if entry.known is not None:
            page.known.append(Known(at=at, duration=entry.known[0], codecs=entry.known[1]))
        page.names.append(entry.name)
        page.sizes.append(entry.size)
        page.modified.append(entry.modified)
        page.folders[-1] = (path, page.folders[-1][1] + 1)
        page.bytes += len(entry.name)

    def _begin(self, path: str) -> None:
        self._page.folders.append((path, 0))
        self._page.bytes += len(path)
        self._ends = _ends_page(path)

    def _is_full(self, name: str) -> bool:
        page = self._page
        return len(page.folders) + len(page.names) >= MOST or page.bytes + len(name) > MOST_BYTES

    def _cut(self) -> CatalogPage:
        page, self._page = self._page, _Columns()
        return CatalogPage(
            folders=tuple(page.folders),
            names=tuple(page.names),
            sizes=tuple(page.sizes),
            modified=tuple(page.modified),
            growing=tuple(page.growing),
            known=tuple(page.known),
        )


def _ends_page(path: str) -> bool:
    return zlib.crc32(path.encode()) % USUAL == 1  # 0 is the checksum of the root itself
