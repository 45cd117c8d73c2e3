"""All roots of all agents at one time, and what a caller finds in them. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import datetime

from api.catalog.page import LoadedPage, Row, parts_of, terms_of
from clipping.contract.catalog import CatalogIndex, CatalogRoot
from clipping.contract.preview import RecordingRoot
from clipping.contract.roots import is_below


@dataclass(frozen=True)
class Source:
    """Whose entries of a root are used, and its newest state."""

    agent: str
    entries: CatalogRoot
    state: CatalogRoot

    def described(self) -> RecordingRoot:
        return RecordingRoot(
            path=self.entries.path,
            agent=self.agent,
            scanned_at=self.entries.scanned_at,
            available=self.state.available,
            reason=self.state.reason,
            unavailable_since=self.state.unavailable_since,
            recordings=self.entries.recordings,
            truncated=self.entries.truncated,
        )


@dataclass(frozen=True)
class Index:
    """The catalogue of one agent."""

    content: CatalogIndex
    stored_at: datetime
    """By the store's clock, which is the same for all agents: their own may differ by hours."""

    def age(self, at: datetime | None) -> float:
        """How many seconds before `stored_at` a time by the agent's clock was; None: never."""
        return float("inf") if at is None else (self.content.written_at - at).total_seconds()


def sources_of(indexes: Iterable[Index]) -> list[Source]:
    """The roots of all agents, by path. Agents that share a root have the same recordings: the entries are
    those of the newest scan, and its state is that of the newest attempt, by any of them."""
    by_path: dict[str, list[tuple[Index, CatalogRoot]]] = defaultdict(list)
    for index in indexes:
        for root in index.content.roots:
            by_path[root.path].append((index, root))
    sources = []
    for path in sorted(by_path):
        _, state = max(by_path[path], key=lambda each: _when(each[0], each[1].checked_at))
        index, entries = max(by_path[path], key=lambda each: _when(each[0], each[1].scanned_at))
        sources.append(Source(index.content.agent_id, entries, state))
    return sources


def _when(index: Index, at: datetime | None) -> float:
    return index.stored_at.timestamp() - index.age(at)


class LoadedRoot:
    """The recordings of one root."""

    def __init__(self, source: Source, pages: Sequence[LoadedPage]) -> None:
        self.source, self.pages = source, tuple(pages)
        self.path = source.entries.path
        self._in: dict[str, list[tuple[LoadedPage, int, int]]] = {}
        self._below: dict[str, list[str]] = defaultdict(list)
        for page in self.pages:
            for group in page.groups:
                if group.folder not in self._in:
                    self._in[group.folder] = []
                    if group.parts:
                        self._below["/".join(group.parts[:-1])].append(group.parts[-1])
                self._in[group.folder].append((page, group.start, group.stop))

    def of(self, source: Source) -> LoadedRoot:
        """The same recordings, with another state."""
        other = copy(self)
        other.source = source
        return other

    def has(self, folder: str) -> bool:
        """Whether there is such a folder; the root itself always is."""
        return folder == "" or folder in self._in

    def folders(self, folder: str) -> list[str]:
        """The names of the folders in a folder, sorted."""
        return self._below.get(folder, [])

    def rows(self, folder: str, behind: str | None) -> Iterator[Row]:
        """The recordings in a folder, by name."""
        for page, start, stop in self._in.get(folder, ()):
            first = start if behind is None else bisect_right(page.names, behind, start, stop)
            yield from (page.row(at) for at in range(first, stop))

    def found(self, q: str, prefix: str, behind: tuple[tuple[str, ...], str] | None) -> Iterator[Row]:
        """The recordings below a folder whose path contains all words of `q`, by folder and name."""
        terms, wanted = terms_of(q), parts_of(prefix)
        for page in self.pages:
            # Pages are in order: those before and after the folder have nothing of it.
            if page.groups[-1].parts < wanted or (behind is not None and _last(page) <= behind):
                continue
            if page.groups[0].parts[: len(wanted)] > wanted:
                return
            for at in page.matches(terms, 0):
                parts = page.group(at).parts
                if parts[: len(wanted)] != wanted:
                    continue
                if behind is None or (parts, page.names[at]) > behind:
                    yield page.row(at)


def _last(page: LoadedPage) -> tuple[tuple[str, ...], str]:
    return page.groups[-1].parts, page.names[-1] if page.names else ""


@dataclass(frozen=True)
class View:
    """The catalogue at one time."""

    roots: tuple[LoadedRoot, ...]

    def allowed(self, folders: Sequence[str] | None) -> list[LoadedRoot]:
        """The roots that a caller may see. `folders`: those that it is limited to, see `roots_of`; None:
        all."""
        return [root for root in self.roots if folders is None or is_below(root.path, folders)]
