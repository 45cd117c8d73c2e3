"""What the store has of this agent's catalogue: see `clipping.contract.catalog`."""

from __future__ import annotations

from collections.abc import Collection

from agent.metrics import CATALOG_BYTES
from clipping.clock import Clock
from clipping.contract.catalog import (
    BrokenCatalog,
    CatalogIndex,
    CatalogPage,
    CatalogRoot,
    index_key,
    named_pages,
    page_key,
    pages_prefix,
)
from clipping.errors import StoreUnavailable, VersionMismatch
from clipping.log import get_logger
from clipping.store.port import ObjectInfo, Store

log = get_logger(__name__)

UNNAMED_SECONDS = 600.0
"""How long a page is kept that no index names any more: readers of an earlier one are still reading it."""


class KeptCatalog:
    """One thread writes indexes; others may put pages meanwhile. Every call raises `StoreUnavailable`."""

    def __init__(self, store: Store, cluster: str, agent_id: str, clock: Clock) -> None:
        self._store, self._cluster, self._agent_id = store, cluster, agent_id
        self._clock = clock
        self.roots: dict[str, CatalogRoot] = {}
        """As of the last index that was read or written, and what was changed since."""
        self.loaded = False
        self._generation = 0
        self._version: str | None = None
        self._stored: set[str] = set()
        """Pages that need not be written."""
        self._unnamed: dict[str, float] = {}
        """Since when pages in the store are named by no index."""

    def load(self) -> None:
        """Read the index of before the start. One that can't be parsed is as none."""
        index = self._read()
        if index is not None:
            self._generation = index.generation
            if index.cluster == self._cluster:
                self.roots = {root.path: root for root in index.roots}
        self._stored = named_pages(list(self.roots.values()))
        self.loaded = True

    def _read(self) -> CatalogIndex | None:
        try:
            found = self._store.get(index_key(self._agent_id))
            self._version = None if found is None else found[1].version
            return None if found is None else CatalogIndex.from_json(found[0])
        except (BrokenCatalog, ValueError) as error:  # ValueError: it is too large
            log.warning("catalog.broken", error=str(error))
            return None

    def put(self, page: CatalogPage) -> str:
        """Store a page, unless it is there; its digest."""
        digest, data = page.pack()
        if digest not in self._stored:
            self._create(digest, data)
            self._stored.add(digest)
        return digest

    def keep_only(self, roots: Collection[str]) -> None:
        """Forget all other roots, which are no longer configured."""
        others = self.roots.keys() - set(roots)
        if others:
            self.roots = {path: root for path, root in self.roots.items() if path not in others}
            self.write()

    def write(self) -> None:
        """Replace the index by one of the current roots."""
        self._generation += 1
        index = CatalogIndex(
            agent_id=self._agent_id,
            cluster=self._cluster,
            generation=self._generation,
            written_at=self._clock.now(),
            roots=tuple(self.roots[path] for path in sorted(self.roots)),
        )
        data = index.to_json()
        try:
            info = self._store.replace(index_key(self._agent_id), data, expected=self._version)
        except VersionMismatch:  # our own write, whose response was lost, or of a process before this one
            info = self._replace_any(data)
        except ValueError as error:
            raise StoreUnavailable(f"the catalogue's index can't be stored: {error}") from None
        self._version = info.version
        CATALOG_BYTES.inc(len(data))

    def tidy(self) -> None:
        """Delete pages that no index has named for a while; write again what was deleted by others. Not
        while a scan puts pages whose result will be used."""
        named, now = named_pages(list(self.roots.values())), self._clock.monotonic()
        there: set[str] = set()
        cursor: str | None = None
        prefix = pages_prefix(self._agent_id)
        while True:
            listed = self._store.list(prefix, cursor=cursor)
            there |= {each.key.removeprefix(prefix).partition(".")[0] for each in listed.objects}
            cursor = listed.next_cursor
            if cursor is None:
                break
        self._stored = named & there
        self._unnamed = {digest: self._unnamed.get(digest, now) for digest in there - named}
        for digest in [each for each, since in self._unnamed.items() if now - since >= UNNAMED_SECONDS]:
            self._store.delete(page_key(self._agent_id, digest))
            del self._unnamed[digest]

    def _create(self, digest: str, data: bytes) -> None:
        try:
            self._store.replace(page_key(self._agent_id, digest), data, expected=None)
        except VersionMismatch:
            return  # its key names its content
        except ValueError as error:
            raise StoreUnavailable(f"a page of the catalogue can't be stored: {error}") from None
        CATALOG_BYTES.inc(len(data))

    def _replace_any(self, data: bytes) -> ObjectInfo:
        found = self._store.stat(index_key(self._agent_id))
        version = None if found is None else found.version
        try:
            return self._store.replace(index_key(self._agent_id), data, expected=version)
        except VersionMismatch:
            raise StoreUnavailable(
                "another process writes this agent's catalogue: agent.id must be unique in its cluster"
            ) from None
