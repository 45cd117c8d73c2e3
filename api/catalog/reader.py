"""Reads the catalogues of all agents from the store. What was read before is not read again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from api.catalog.page import LoadedPage
from api.catalog.view import Index, LoadedRoot, Source, View, sources_of
from clipping.contract.catalog import BrokenCatalog, CatalogIndex, CatalogPage, index_key, page_key
from clipping.errors import StoreUnavailable
from clipping.log import get_logger
from clipping.store.port import Store

log = get_logger(__name__)

CALLS_AT_ONCE = 8
TRIES = 3
"""A page is missing when it was deleted while an old index was being read: the new one is read then."""
MOST_RECORDINGS = 1_000_000
"""Of all roots. Further ones are left out: they are in the catalogue, and would take too much memory."""


class _Missing(Exception):
    """A page that an index names is not there, or is damaged."""


class Reader:
    """Reads for one thread. Raises `StoreUnavailable`."""

    def __init__(self, store: Store, cluster: str) -> None:
        self._store, self._cluster = store, cluster
        self._indexes: dict[str, tuple[str, Index | None]] = {}
        """By agent, with their versions in the store."""
        self._pages: dict[tuple[str, str], LoadedPage] = {}
        """By agent and digest: those of the last view."""
        self._roots: dict[str, LoadedRoot] = {}

    def read(self, agents: Iterable[str]) -> View:
        """The newest catalogue of these agents, of one scan for each root."""
        agents = sorted(agents)
        for _ in range(TRIES):
            indexes = [index for agent in agents if (index := self._index(agent)) is not None]
            try:
                return self._view(sources_of(indexes))
            except _Missing as missing:
                log.debug("catalog.read_again", reason=str(missing))
                self._indexes.clear()
        raise StoreUnavailable("the catalogue's pages are missing in the store, or damaged")

    def _index(self, agent: str) -> Index | None:
        try:
            found = self._store.get(index_key(agent))
        except ValueError as error:
            raise StoreUnavailable(str(error)) from None
        if found is None:
            return None
        known = self._indexes.get(agent)
        if known is not None and known[0] == found[1].version:
            return known[1]
        try:
            index: Index | None = Index(CatalogIndex.from_json(found[0]), found[1].created_at)
        except BrokenCatalog as error:
            log.warning("catalog.broken", agent_id=agent, error=error.message)
            index = None
        if index is not None and (index.content.cluster, index.content.agent_id) != (self._cluster, agent):
            index = None  # an agent of another cluster has the same id
        self._indexes[agent] = found[1].version, index
        return index

    def _view(self, sources: Sequence[Source]) -> View:
        wanted = [(source.agent, digest) for source in _within(sources) for digest in source.entries.pages]
        missing = [place for place in dict.fromkeys(wanted) if place not in self._pages]
        pages = {place: self._pages[place] for place in wanted if place in self._pages}
        pages |= dict(zip(missing, _at_once([partial(self._page, *place) for place in missing]), strict=True))
        roots = {source.entries.path: self._root(source, pages) for source in sources}
        self._pages, self._roots = pages, roots
        return View(tuple(roots.values()))

    def _page(self, agent: str, digest: str) -> LoadedPage:
        key = page_key(agent, digest)
        try:
            found = self._store.get(key)
            if found is None:
                raise _Missing(key)
            return LoadedPage(CatalogPage.unpack(digest, found[0]))
        except (BrokenCatalog, ValueError) as error:
            raise _Missing(f"{key}: {error}") from None

    def _root(self, source: Source, pages: dict[tuple[str, str], LoadedPage]) -> LoadedRoot:
        """With the pages that there are, so that a root without is not built again either."""
        known = self._roots.get(source.entries.path)
        loaded = tuple(
            page for digest in source.entries.pages if (page := pages.get((source.agent, digest))) is not None
        )
        if known is not None and known.pages == loaded:
            return known.of(source)
        return LoadedRoot(source, loaded)


def _within(sources: Sequence[Source]) -> Iterator[Source]:
    """Those that are read."""
    left = MOST_RECORDINGS
    for source in sources:
        left -= source.entries.recordings + source.entries.folders
        if left < 0:
            log.warning("catalog.too_large", root=source.entries.path, most=MOST_RECORDINGS)
            return
        yield source


def _at_once(calls: Sequence[Callable[[], LoadedPage]]) -> list[LoadedPage]:
    if len(calls) < 2:
        return [call() for call in calls]
    with ThreadPoolExecutor(CALLS_AT_ONCE, thread_name_prefix="catalog-page") as threads:
        return list(threads.map(lambda call: call(), calls))
