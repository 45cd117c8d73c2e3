"""Looks at what the agent stands on, every few seconds, and keeps the newest snapshot of it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from agent.lanes import Lanes
from agent.sources import look_at_root
from agent.spool import Spool
from clipping import __version__
from clipping.clock import Clock
from clipping.config import Config
from clipping.errors import ClippingError
from clipping.log import get_logger
from health.snapshot import Check, ClipInHand, Snapshot

log = get_logger(__name__)

INTERVAL_SECONDS = 5.0
ROOT_SECONDS = 3.0
"""A NAS slower than this is not well. All roots together stay below the snapshot's greatest age."""


class Watch:
    """Owns the thread `watch`. `snapshot()` returns at once: streams and work as of now, the rest as last
    seen."""

    def __init__(
        self, config: Config, clock: Clock, lanes: Lanes, spool: Spool, changed: Callable[[Snapshot], None]
    ) -> None:
        self._config, self._clock, self._lanes, self._spool = config, clock, lanes, spool
        self._changed = changed
        self._stop = threading.Event()
        self._checks: dict[str, Check] = {}
        self._at = clock.monotonic()
        self.role = "active"
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        self._look()
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(INTERVAL_SECONDS)

    def snapshot(self) -> Snapshot:
        return Snapshot(
            agent_id=self._config.agent.id,
            cluster=self._config.agent.cluster,
            role=self.role,
            epoch=0,
            at=self._at,
            version=__version__,
            in_flight=tuple(
                ClipInHand(work.request_id, work.stage, work.progress_percent)
                for work in self._lanes.in_flight.works()
            ),
            checks={**self._lanes_now(), **self._checks},
        )

    def _run(self) -> None:
        while not self._stop.wait(INTERVAL_SECONDS):
            self._look()
            self._changed(self.snapshot())

    def _look(self) -> None:
        now = self._clock.monotonic()
        checks = {"spool": self._spool_check(now)}
        for root in self._config.agent.nas_roots:
            try:
                look_at_root(root, timeout=ROOT_SECONDS)
                checks[f"nas {root.path}"] = Check(True, "mounted", now)
            except ClippingError as error:
                checks[f"nas {root.path}"] = Check(False, error.message, now)
        for name, check in checks.items():
            before = self._checks.get(name)
            if before is None or before.ok != check.ok:
                level = log.info if check.ok else log.warning
                level("check.changed", check=name, ok=check.ok, detail=check.detail)
        self._checks, self._at = checks, now

    def _lanes_now(self) -> dict[str, Check]:
        # They cost nothing to look at, and say in their own logs when they change.
        now = self._clock.monotonic()
        return {f"lane_{lane}": Check(s.ok, s.detail, now) for lane, s in self._lanes.states().items()}

    def _spool_check(self, now: float) -> Check:
        free, least = self._spool.free_bytes(), self._config.agent.min_free_bytes
        detail = f"{free // 1_000_000} MB free, {least // 1_000_000} MB needed"
        return Check(free >= least, detail, now)
