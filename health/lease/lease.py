"""One agent's hand on the lease: reads it, takes it, renews it and gives it up, all by compare-and-set.

An answer can get lost after the store did what it was asked. So each write carries a number of its own
(`seq`); a write without an answer, or one that is refused (412), is followed by reading back: the lease is
ours when it holds our instance and the number of a write that we sent, and it then counts from the sending
of *that* write.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from clipping.clock import Clock
from clipping.contract.cluster import BrokenDocument, Lease, LeaseState, lease_key
from clipping.errors import StoreUnavailable, VersionMismatch
from clipping.log import get_logger
from clipping.store.port import Store
from health.election.observation import WriteOutcome
from health.election.roles import Identity
from health.lease.calls import Calls, Slot
from health.lease.sightings import NOTHING, Reading, Sightings

log = get_logger(__name__)

Goal = Literal["acquire", "renew", "give up"]
UNANSWERED = 32
"""So many writes without an answer are remembered; a lease has run out long before."""


@dataclass(frozen=True, slots=True)
class Landed:
    """A write of ours that is in the store."""

    goal: Goal
    lease: Lease
    sent_at: float


@dataclass(frozen=True, slots=True)
class _Sent:
    goal: Goal
    sent_at: float
    creates: bool


@dataclass(frozen=True, slots=True)
class _Written:
    """What a write's call returns: how the object is now, or that another version was there."""

    reading: Reading | None


def read_lease(store: Store, cluster: str) -> Reading:
    """What is there now. Raises `StoreUnavailable`; broken content is told in the reading."""
    try:
        found = store.get(lease_key(cluster))
    except ValueError as error:  # more bytes than any lease has
        return Reading(version="unreadable", broken=str(error))
    if found is None:
        return NOTHING
    data, info = found
    try:
        lease = Lease.from_json(data)
    except BrokenDocument as error:
        return Reading(info.version, broken=error.message)
    if lease.cluster != cluster:
        return Reading(info.version, broken=f"it belongs to the cluster {lease.cluster}")
    return Reading(info.version, lease)


class LeaseHand:
    """Reads and writes one at a time, none of which keeps the caller waiting: start one, then `collect`."""

    def __init__(
        self,
        *,
        cluster: str,
        me: Identity,
        ttl: float,
        store: Store,
        clock: Clock,
        calls: Calls,
        limit: float,
        sightings: Sightings,
    ) -> None:
        self._cluster, self._me, self._ttl = cluster, me, ttl
        self._store, self._clock, self.observations = store, clock, sightings
        self._slot: Slot[Reading | _Written] = Slot(calls, clock, limit)
        self._seq = 0
        self._unanswered: dict[int, _Sent] = {}
        self._newest: tuple[int, _Sent] | None = None
        self.goal: Goal = "acquire"
        self._reads_back = False
        self.reachable = True
        """The last call got an answer. True before the first one: nothing has failed yet."""
        self.problem = ""
        self.outcome: WriteOutcome = "none"
        self.read_at = float("-inf")
        """When the newest good reading was sent."""

    @property
    def busy(self) -> bool:
        return self._slot.busy

    def ready(self) -> bool:
        return self._slot.ready()

    @property
    def due(self) -> float:
        """When `collect` has something at the latest; only while busy."""
        return self._slot.due

    def owned(self, lease: Lease) -> bool:
        """Whether a lease under our instance is ours to renew as it is.

        Not one that we created, without learning of it: between our asking and its landing another agent may
        have led, and somebody may have deleted that one's lease.
        """
        sent = self._unanswered.get(lease.seq)
        return sent is None or not sent.creates

    def owns_newest(self) -> bool:
        """Whether the lease, as it was last seen, is under our instance: only then it is written over."""
        reading = self.observations.reading
        lease = reading.lease if reading else None
        return lease is not None and lease.instance == self._me.instance

    def read(self) -> None:
        """Look at the lease."""
        cluster, store = self._cluster, self._store
        self._slot.submit("lease", lambda: read_lease(store, cluster))

    def settle(self) -> None:
        """A new state begins: what became of earlier writes does not matter to it. They stay remembered."""
        self.outcome = "none"

    def acquire(self, reason: str) -> None:
        """Take the lease as it was last seen. The epoch grows, whatever became of the object."""
        self._slot.forget()  # only a reading; and a write that lands after all is remembered
        reading = self._known()
        self._write("acquire", "held", reading, self.observations.highest_epoch + 1, reason)

    def renew(self) -> None:
        """Hold it for longer; why it was taken stays in it."""
        reading = self._known()
        assert reading.lease is not None
        self._write("renew", "held", reading, _epoch_of(reading), reading.lease.reason)

    def give_up(self, target: str | None, reason: str) -> None:
        """Release the lease, or hand it to `target`."""
        reading = self._known()
        self._write(
            "give up", "handoff" if target else "released", reading, _epoch_of(reading), reason, target
        )

    def collect(self) -> Landed | None:
        """Take what came back; the write that is known to be in the store since, if there is one."""
        now = self._clock.monotonic()
        try:
            answer = self._slot.take()
        except StoreUnavailable as error:
            self.reachable, self.problem = False, error.message
            self._unknown()
            return None
        self.reachable, self.problem = True, ""
        if isinstance(answer, Reading):
            self.read_at = self._slot.sent_at
            self.observations.saw(answer, now)
            return self._understood(answer) if self._reads_back else None
        if answer.reading is None:
            self._reads_back = True
            self.read()
            return None
        assert answer.reading.lease is not None
        self.observations.saw(answer.reading, now)
        return self._recognised(answer.reading.lease)

    def _known(self) -> Reading:
        reading = self.observations.reading
        assert reading is not None, "a lease is written only after it was read"
        assert reading.broken is None, "nobody overwrites what can't be understood"
        return reading

    def _write(
        self,
        goal: Goal,
        state: LeaseState,
        base: Reading,
        epoch: int,
        reason: str,
        target: str | None = None,
    ) -> None:
        self._seq += 1
        me = self._me
        lease = Lease(
            schema=1,
            cluster=self._cluster,
            state=state,
            epoch=epoch,
            holder=me.agent_id,
            instance=me.instance,
            host=me.host,
            seq=self._seq,
            health_url=me.health_url,
            target=target,
            reason=reason[:300],
            ttl_seconds=self._ttl,
            renewed_at=self._clock.now(),
        )
        creates = base.lease is None
        self.goal, self._reads_back, self.outcome = goal, False, "pending"
        sent_at = self._slot.submit(goal.replace(" ", "-"), self._sender(lease, base, creates))
        self._newest = self._seq, _Sent(goal, sent_at, creates)
        self._unanswered[self._seq] = self._newest[1]
        if len(self._unanswered) > UNANSWERED:
            del self._unanswered[min(self._unanswered)]

    def _sender(self, lease: Lease, base: Reading, creates: bool) -> Callable[[], _Written]:
        store, key = self._store, lease_key(self._cluster)

        def send() -> _Written:
            written = lease
            if creates:
                # Nobody knows how far the epochs of a deleted lease had come: the store's seconds are beyond.
                floor = int(store.server_time().timestamp())
                written = lease.model_copy(update={"epoch": max(lease.epoch, floor)})
            try:
                info = store.replace(key, written.to_json(), expected=base.version)
            except VersionMismatch:
                return _Written(None)
            return _Written(Reading(info.version, written))

        return send

    def _unknown(self) -> None:
        self._reads_back = False
        if self.outcome == "pending":
            self.outcome = "unknown"

    def _understood(self, reading: Reading) -> Landed | None:
        """The object as it is after a write of ours was refused."""
        self._reads_back = False
        lease = reading.lease
        if lease is None:
            self.outcome = "unknown"
            return None
        if lease.instance != self._me.instance:
            self.outcome = "lost"
            return None
        return self._recognised(lease)

    def _recognised(self, lease: Lease) -> Landed | None:
        """The lease as it is now is ours: by which of our writes?"""
        sent = self._unanswered.pop(lease.seq, None)
        if sent is None:
            # A write that was settled long ago, under another version: somebody copied the object.
            self.outcome = "unknown"
            return None
        for seq in [seq for seq, other in self._unanswered.items() if not other.creates]:
            # Their version is gone for good: they can't land any more.
            del self._unanswered[seq]
        same = sent.goal == self.goal or (self.goal, sent.goal) == ("renew", "acquire")
        self.outcome = "won" if same else "unknown"
        return Landed(sent.goal, lease, sent.sent_at) if same else None


def _epoch_of(reading: Reading) -> int:
    assert reading.lease is not None
    return reading.lease.epoch
