"""Scans the roots again and again while this agent works, and keeps its catalogue up to date.

With an election only the leader scans: the agents of a cluster have the same share, which need not be read
twice. After a takeover readers have the former leader's entries until the first scan of the new one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue

from agent.catalog.kept import KeptCatalog
from agent.catalog.known import KnownRecordings
from agent.catalog.pace import Pace, Stopped
from agent.catalog.scan import RootScan, Scanned
from agent.catalog.walk import Beat, Walk
from agent.cutting.cache import Cache
from agent.metrics import CATALOG_RECORDINGS, CATALOG_SCANS, CATALOG_SECONDS
from agent.resources.mounts import MountMemory
from agent.resources.sources import LOOK_SECONDS
from agent.settings import Settings
from clipping.clock import Clock
from clipping.config import NasRoot
from clipping.contract.catalog import CatalogRoot
from clipping.errors import SourceUnavailable, StoreUnavailable
from clipping.log import get_logger
from clipping.store.port import Store

log = get_logger(__name__)

TICK_SECONDS = 0.2
TIDY_SECONDS = 600.0
WRITE_SECONDS = 2.0
"""Between two writes of the index in one round: Cloud Storage takes one a second of an object."""
CLOSE_SECONDS = 5.0


class Catalog:
    """Owns the thread `catalog`, and one for each root that is being scanned. `works`: whether this agent
    takes requests now. A root that does not answer for `look_seconds` hangs."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        mounts: MountMemory,
        clock: Clock,
        works: Callable[[], bool],
        *,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        config = settings.current
        self._settings, self._mounts, self._clock, self._works = settings, mounts, clock, works
        self._look_seconds = look_seconds
        self._interval = config.catalog.interval_seconds
        self._kept = KeptCatalog(store, config.agent.cluster, config.agent.id, clock)
        self._known = KnownRecordings(Cache(Path(config.agent.state_dir) / "index"))
        self._pace = Pace(config.catalog.entries_per_second, clock)
        self._scans: dict[str, RootScan] = {}
        """Those that have not ended, by root: one that hangs stays here, and is not started again."""
        self._ended: SimpleQueue[RootScan] = SimpleQueue()
        self._halt = threading.Event()
        """Ends scans."""
        self._stop = threading.Event()
        self._trouble = False
        self._tidy_at = float("-inf")
        self._written_at = clock.monotonic()
        self._changed = False
        self._thread = threading.Thread(target=self._run, name="catalog", daemon=True)

    @property
    def enabled(self) -> bool:
        """Whether there is a catalogue: entries have ids, which need `preview.key`."""
        return self._settings.current.preview.key is not None and self._interval > 0

    def start(self) -> None:
        if self.enabled:
            self._thread.start()

    def close(self) -> None:
        """End all scans. Does not wait for one that hangs."""
        self._stop.set()
        self._halt.set()
        if self._thread.ident is not None:
            self._thread.join(CLOSE_SECONDS)

    def _run(self) -> None:
        due = self._clock.monotonic()
        while not self._stop.wait(TICK_SECONDS):
            if self._clock.monotonic() < due:
                continue
            try:
                if self.round():
                    due = self._clock.monotonic() + self._interval
            except StoreUnavailable as error:
                self._not_stored(error)
                due = self._clock.monotonic() + self._interval
            except Exception:
                log.exception("catalog.crashed")
                due = self._clock.monotonic() + self._interval

    def round(self) -> bool:
        """Scan all roots once. False: this agent does not work, and scans nothing. Raises
        `StoreUnavailable`."""
        self._collect()
        roots = {root.path: root for root in self._settings.current.agent.nas_roots}
        if not self._kept.loaded:
            self._kept.load()
        self._kept.keep_only(roots)
        if not self._works():
            return False
        self._halt.clear()
        self._written_at = self._clock.monotonic()
        self._known.refresh()
        for path in roots.keys() - self._scans.keys():
            self._begin(roots[path], frozenset(roots))
        for path, scan in self._scans.items():
            if scan.hangs and path in roots:
                self._hangs(scan)
        while any(not scan.hangs for scan in self._scans.values()):
            self._collect(TICK_SECONDS)
            if self._clock.monotonic() - self._written_at >= WRITE_SECONDS:
                self._write()
        self._write()
        self._tidy()
        return True

    def _begin(self, root: NasRoot, roots: frozenset[str]) -> None:
        beat = Beat()
        walk = Walk(root, roots, self._known, self._mounts, self._pace, self._halt, beat)
        scan = RootScan(walk, self._kept.put, self._clock.now(), self._ended)
        self._scans[root.path] = scan
        scan.start()

    def _collect(self, seconds: float = 0.0) -> None:
        """What has ended since, or ends within `seconds`."""
        with suppress(Empty):
            if seconds:
                self._end(self._ended.get(timeout=seconds))
            while True:
                self._end(self._ended.get_nowait())
        if self._stop.is_set() or not self._works():
            self._halt.set()
        for scan in self._scans.values():
            if not scan.hangs and scan.silent_seconds() > self._look_seconds:
                scan.hangs = True
                self._hangs(scan)

    def _end(self, scan: RootScan) -> None:
        del self._scans[scan.root]
        if scan.hangs:
            return  # pages that it stored may have been deleted meanwhile
        match scan.outcome:
            case Scanned() as found:
                self._scanned(scan.root, found)
            case SourceUnavailable() as error:
                self._unavailable(scan.root, error.message)
            case StoreUnavailable() as error:
                self._not_stored(error)
            case Stopped() | None:
                pass

    def _scanned(self, path: str, found: Scanned) -> None:
        before = self._kept.roots.get(path)
        counts = found.counts
        self._put(
            CatalogRoot(
                path=path,
                scanned_at=found.began_at,
                checked_at=self._clock.now(),
                available=True,
                recordings=counts.recordings,
                folders=counts.folders,
                truncated=counts.truncated,
                pages=found.pages,
            )
        )
        CATALOG_SCANS.labels("scanned").inc()
        CATALOG_SECONDS.observe(found.seconds)
        if before is None or not before.available or before.scanned_at is None:
            log.info(
                "catalog.scanned", root=path, recordings=counts.recordings, seconds=round(found.seconds, 3)
            )

    def _hangs(self, scan: RootScan) -> None:
        self._unavailable(scan.root, f"the NAS did not answer within {self._look_seconds:g} s: {scan.root}")

    def _unavailable(self, path: str, reason: str) -> None:
        now = self._clock.now()
        before = self._kept.roots.get(path) or CatalogRoot(path=path, checked_at=now, available=True)
        if before.available:
            log.warning("catalog.unavailable", root=path, reason=reason)
        since = now if before.available else before.unavailable_since
        changes = {"available": False, "reason": reason, "unavailable_since": since, "checked_at": now}
        self._put(before.model_copy(update=changes))
        CATALOG_SCANS.labels("unavailable").inc()

    def _put(self, root: CatalogRoot) -> None:
        self._kept.roots[root.path] = root
        self._changed = True
        CATALOG_RECORDINGS.set(sum(each.recordings for each in self._kept.roots.values()))

    def _write(self) -> None:
        """Write the index, if a root has changed since."""
        if not self._changed:
            return
        self._written_at = self._clock.monotonic()
        try:
            self._kept.write()
        except StoreUnavailable as error:
            self._not_stored(error)
        else:
            self._changed = self._trouble = False

    def _not_stored(self, error: StoreUnavailable) -> None:
        CATALOG_SCANS.labels("not_stored").inc()
        if not self._trouble:
            log.warning("catalog.not_stored", error=error.message)
        self._trouble = True

    def _tidy(self) -> None:
        now = self._clock.monotonic()
        if now - self._tidy_at >= TIDY_SECONDS:
            self._kept.tidy()
            self._tidy_at = now
