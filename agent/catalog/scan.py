"""One scan of one root, in a thread of its own: a hanging NAS blocks that thread, and nothing else."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from queue import SimpleQueue

from agent.catalog.pace import Stopped
from agent.catalog.paging import Pager
from agent.catalog.walk import Counts, Walk
from clipping.contract.catalog import MOST_PAGES, CatalogPage
from clipping.errors import SourceUnavailable, StoreUnavailable
from clipping.log import get_logger

log = get_logger(__name__)


@dataclass(frozen=True)
class Scanned:
    """What a complete scan found."""

    began_at: datetime
    seconds: float
    counts: Counts
    pages: tuple[str, ...]
    """The digests of its pages, which are all in the store."""


Outcome = Scanned | SourceUnavailable | StoreUnavailable | Stopped


class RootScan:
    """`put` stores a page and returns its digest. The scan is put in `ended` once it has an outcome."""

    def __init__(
        self,
        walk: Walk,
        put: Callable[[CatalogPage], str],
        began_at: datetime,
        ended: SimpleQueue[RootScan],
    ) -> None:
        self.root = walk.root.path
        self.hangs = False
        """Whether its outcome is no longer waited for."""
        self.outcome: Outcome | None = None
        self._walk, self._put, self._ended = walk, put, ended
        self._began_at = began_at
        self._thread = threading.Thread(target=self._run, name=f"catalog {self.root}", daemon=True)

    def start(self) -> None:
        self._walk.beat.now()
        self._thread.start()

    def silent_seconds(self) -> float:
        """How long the NAS has not answered."""
        at = self._walk.beat.at
        return 0.0 if at is None else time.monotonic() - at

    def _run(self) -> None:
        try:
            self.outcome = self._scan()
        except (SourceUnavailable, StoreUnavailable, Stopped) as error:
            self.outcome = error
        except Exception:
            log.exception("catalog.crashed", root=self.root)
            self.outcome = SourceUnavailable(f"the scan of {self.root} failed: see the agent's log")
        finally:
            self._ended.put(self)

    def _scan(self) -> Scanned:
        begun = time.monotonic()
        pages: list[str] = []
        pager, counts = Pager(), self._walk.counts
        for folder in self._walk.folders():
            self._keep(pages, pager.folder(folder.path))
            for entry in folder.entries:
                self._keep(pages, pager.recording(entry))
            if len(pages) >= MOST_PAGES - 1:
                counts.truncated = True
                break
        self._keep(pages, pager.rest())
        return Scanned(self._began_at, time.monotonic() - begun, counts, tuple(pages))

    def _keep(self, pages: list[str], page: CatalogPage | None) -> None:
        if page is not None:
            with self._walk.beat.paused():
                pages.append(self._put(page))
