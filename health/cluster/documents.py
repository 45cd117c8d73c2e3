"""The cluster's documents except the lease: reads the intent and the agents' records, writes its own.

One call at a time, independent of the lease's: a slow listing never delays a renewal.
"""

from __future__ import annotations

from collections.abc import Callable

from clipping.contract.cluster import HEARTBEAT_SECONDS, AgentRecord, BrokenDocument, FailoverIntent, Intent
from clipping.errors import StoreUnavailable, VersionMismatch
from clipping.log import get_logger
from health.cluster.ports import Membership, Ports
from health.cluster.registry import OwnRecord, read_intent, read_peers
from health.election.observation import Peer
from health.lease.calls import Slot

log = get_logger(__name__)

WRITE_SECONDS = 1.5
"""Minimum time between two writes: Cloud Storage accepts about one write per second for an object."""
PEERS_SECONDS = 20.0
"""How long a reading of the other agents' records stays valid."""
CALLS_IN_ONE = 4
"""How many calls of the store one operation needs in a small cluster."""


class ClusterDocuments:
    """`collect` takes results, `run` starts what is due; the newest results are kept here."""

    def __init__(self, membership: Membership, ports: Ports) -> None:
        me = membership.me
        self._membership, self._store, self._clock = membership, ports.store, ports.clock
        self._slot: Slot[Intent | tuple[Peer, ...] | None] = Slot(
            ports.calls, ports.clock, CALLS_IN_ONE * membership.timings.call
        )
        self._own = OwnRecord(ports.store, membership.cluster, me.agent_id, me.instance)
        self._next_intent = self._next_write = self._next_peers = float("-inf")
        self._operation = ""
        self._written_at = float("-inf")
        self.intent: Intent | None = None
        """None before the first was read."""
        self.intent_problem: str | None = None
        """Why the newest is not valid."""
        self._intent_since = float("-inf")
        """When its failover was first read."""
        self._peers: tuple[Peer, ...] = ()
        self._peers_at = float("-inf")
        """When their newest reading was started."""

    @property
    def busy(self) -> bool:
        return self._slot.busy

    def failover(self) -> FailoverIntent | None:
        return self.intent.failover if self.intent else None

    def pause(self) -> str | None:
        """Why no agent may take over unless an administrator names it; None: takeovers are allowed."""
        if self.intent_problem is not None:
            return f"the administrator's intent is not valid: {self.intent_problem}"
        if self.intent is None:
            return "the administrator's intent has not been read yet"
        pause = self.intent.pause
        if pause is None or not pause.holds(self._clock.now()):
            return None
        by = f" by {pause.paused_by}" if pause.paused_by else ""
        return f"automatic takeovers are paused{by}" + (f": {pause.reason}" if pause.reason else "")

    def failover_pending(self, answered: str | None) -> bool:
        """Whether there is a failover other than the `answered` one."""
        wanted = self.failover()
        return wanted is not None and wanted.operation_id != answered

    def new_peers(self, now: float, *, since: float, answered: str | None) -> tuple[Peer, ...] | None:
        """The other agents; None unless read recently and after `since`, or after a pending failover."""
        pending = self.failover_pending(answered)
        begin = self._intent_since if pending else max(since, now - PEERS_SECONDS)
        return self._peers if self._peers_at >= begin else None

    def announce(self) -> None:
        """This agent's state has changed: write its record as soon as possible."""
        self._next_write = float("-inf")

    def run(self, now: float, record: Callable[[], AgentRecord], *, wants_peers: bool) -> float:
        """Start what is due. Returns when this is to be called next, if no call ends until then.

        `record` makes the record when it is due to be written; `wants_peers`: also read the other agents'.
        """
        if not self._slot.busy:
            self._start(now, record, wants_peers=wants_peers)
        if self._slot.busy:
            return self._slot.due
        return min(self._next_intent, self._write_due(), self._next_peers if wants_peers else float("inf"))

    def _start(self, now: float, record: Callable[[], AgentRecord], *, wants_peers: bool) -> None:
        store, cluster, timings = self._store, self._membership.cluster, self._membership.timings
        if now >= self._write_due():
            self._operation, self._written_at = "write", now
            self._next_write = now + HEARTBEAT_SECONDS
            self._slot.submit("record", self._own.writer(record()))
        elif now >= self._next_intent:
            self._operation = "intent"
            self._next_intent = now + timings.intent
            self._slot.submit("intent", lambda: read_intent(store, cluster))
        elif wants_peers and now >= self._next_peers:
            self._operation = "peers"
            self._next_peers = now + timings.intent
            self._slot.submit("peers", lambda: read_peers(store, cluster, self._membership.me.agent_id))

    def write_last(self, record: AgentRecord) -> None:
        """Write the record of an agent that stops, even if another call is in progress."""
        self._slot.discard()
        self._operation = "write"
        self._slot.submit("record", self._own.writer(record))

    def _write_due(self) -> float:
        return max(self._next_write, self._written_at + WRITE_SECONDS)

    def collect(self, now: float) -> None:
        """Take the result of a call that has ended."""
        if not self._slot.ready():
            return
        sent_at = self._slot.sent_at
        try:
            answer = self._slot.take()
        except BrokenDocument as error:
            if self.intent_problem is None:
                log.error("intent.broken", error=error.message)
            self.intent_problem = error.message
        except (StoreUnavailable, VersionMismatch) as error:
            log.debug("cluster.document_failed", operation=self._operation, error=error.message)
            if self._operation == "write":
                self._next_write = now + self._membership.timings.retry
        else:
            if isinstance(answer, Intent):
                self._read(answer, now)
            elif answer is not None:
                self._peers, self._peers_at = answer, sent_at

    def _read(self, intent: Intent, now: float) -> None:
        before = self.failover()
        if intent.failover is not None and (
            before is None or before.operation_id != intent.failover.operation_id
        ):
            self._intent_since = now
        self.intent, self.intent_problem = intent, None
