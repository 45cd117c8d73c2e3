"""Who led when: noticed in the lease, and kept in the database."""

from __future__ import annotations

from datetime import datetime, timedelta

from api.cluster.coordination import Coordination
from api.db import failovers, takeovers
from api.db.engine import Database
from api.domain.cluster.snapshot import Snapshot
from api.domain.cluster.takeovers import history, taken
from clipping.clock import Clock
from clipping.contract.results import Takeovers
from clipping.errors import CoordinationUnavailable
from clipping.log import get_logger

KEPT = timedelta(days=120)
"""How long a takeover is kept."""
COUNTED = timedelta(hours=1)
"""How long after a takeover the requests are counted that went on after it."""
FORGET_SECONDS = 3600.0
MOST = 500
"""Takeovers in one answer. Agents wait longer with each takeover, so that there are no more."""

log = get_logger(__name__)


class History:
    """Thread-safe. Any number of instances may write: each epoch is written once.

    The lease says itself when and how it was acquired, so that nothing is missed if no instance runs at that
    moment. Of several takeovers meanwhile, only the last one is known.
    """

    def __init__(self, database: Database, coordination: Coordination, clock: Clock, *, cluster: str) -> None:
        self._database, self._coordination, self._clock = database, coordination, clock
        self._cluster = cluster
        self._known = -1
        """The newest epoch that is in the database."""
        self._forget_at = float("-inf")

    def tidy(self) -> None:
        """Note the newest takeover, count what went on after recent ones, and delete old ones. Call it
        periodically."""
        self._note(self._coordination.snapshot())
        now = self._clock.now()
        with self._database.write() as session:
            takeovers.count_resumed(session, self._cluster, since=now - COUNTED)
            if self._clock.monotonic() >= self._forget_at:
                takeovers.forget(session, self._cluster, before=now - KEPT)
                self._forget_at = self._clock.monotonic() + FORGET_SECONDS

    def since(self, moment: datetime) -> Takeovers:
        """Who led since then, newest first. Raises `QueueUnavailable`.

        While the store does not answer, as far as it is known.
        """
        ended_at = None
        try:
            snapshot = self._coordination.snapshot()
            self._note(snapshot)
            if snapshot.lease is not None and not snapshot.lease.led:
                ended_at = snapshot.lease.written_at
        except CoordinationUnavailable as error:
            log.debug("takeovers.from_memory", reason=error.message)
        with self._database.read() as session:
            rows = takeovers.since(session, self._cluster, moment, limit=MOST)
            epochs = [row.epoch for row in rows]
            requested = failovers.that_led_to(session, self._cluster, epochs)
        return Takeovers(
            cluster=self._cluster,
            since=moment,
            takeovers=history(rows, requested, ended_at=ended_at),
        )

    def _note(self, snapshot: Snapshot) -> None:
        newest = taken(snapshot)
        if newest is None or newest.epoch <= self._known:
            return
        with self._database.write() as session:
            new = takeovers.add(session, newest)
        self._known = newest.epoch
        if new:
            log.info(
                "cluster.takeover",
                agent_id=newest.agent_id,
                epoch=newest.epoch,
                before=newest.from_agent,
                kind=newest.kind or None,
                reason=newest.reason or None,
            )
