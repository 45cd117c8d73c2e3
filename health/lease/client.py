"""One agent's client of the lease: reads, acquires, renews and releases it, all by compare-and-set.

A response can be lost after the store has done the write. So each write has a unique number (`seq`), and
a write without a response, or one that was refused (412), is followed by a read: the lease is held by this
process if it contains its instance and the number of a write that it sent. Validity is then counted from the
sending of *that* write.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from clipping.clock import Clock
from clipping.contract.cluster import Acquisition, BrokenDocument, Lease, LeaseState, lease_key
from clipping.errors import StoreUnavailable, VersionMismatch
from clipping.log import get_logger
from clipping.store.port import Store
from health.election.observation import TakeoverKind, WriteOutcome
from health.election.roles import Identity
from health.lease.calls import Calls, Slot
from health.lease.observations import NO_LEASE, LeaseObservations, Reading

log = get_logger(__name__)

Goal = Literal["acquire", "renew", "release"]
UNANSWERED = 32
"""How many writes without a response are remembered; a lease has expired long before."""


@dataclass(frozen=True, slots=True)
class ConfirmedWrite:
    """A write of this process that is known to be in the store."""

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
    """The result of a write: the object as it is now, or None if another version was found."""

    reading: Reading | None


def read_lease(store: Store, cluster: str) -> Reading:
    """The lease as it is now. Raises `StoreUnavailable`; invalid content is reported in the reading."""
    try:
        found = store.get(lease_key(cluster))
    except ValueError as error:  # larger than any lease
        return Reading(version="unreadable", broken=str(error))
    if found is None:
        return NO_LEASE
    data, info = found
    try:
        lease = Lease.from_json(data)
    except BrokenDocument as error:
        return Reading(info.version, broken=error.message)
    if lease.cluster != cluster:
        return Reading(info.version, broken=f"it belongs to the cluster {lease.cluster}")
    return Reading(info.version, lease)


class LeaseClient:
    """One read or write at a time, none of which blocks: start one, then `collect` its result."""

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
        observations: LeaseObservations,
    ) -> None:
        self._cluster, self._me, self._ttl = cluster, me, ttl
        self._store, self._clock, self.observations = store, clock, observations
        self._slot: Slot[Reading | _Written] = Slot(calls, clock, limit)
        self._seq = 0
        self._unanswered: dict[int, _Sent] = {}
        self._newest: tuple[int, _Sent] | None = None
        self.goal: Goal = "acquire"
        self._reads_back = False
        self.reachable = True
        """The last call got a response. True before the first one: nothing has failed yet."""
        self.problem = ""
        self.outcome: WriteOutcome = "none"
        self.read_at = float("-inf")
        """When the newest successful read was sent."""

    @property
    def busy(self) -> bool:
        return self._slot.busy

    def ready(self) -> bool:
        return self._slot.ready()

    @property
    def due(self) -> float:
        """The latest time at which `collect` has a result; only while busy."""
        return self._slot.due

    def owned(self, lease: Lease) -> bool:
        """Whether a lease with this instance may be renewed as it is.

        Not one that a write without a response created: between its sending and its arrival another agent may
        have led, whose lease was then deleted.
        """
        sent = self._unanswered.get(lease.seq)
        return sent is None or not sent.creates

    def owns_newest(self) -> bool:
        """Whether the lease, as last read, has this instance: only then may it be replaced."""
        reading = self.observations.reading
        lease = reading.lease if reading else None
        return lease is not None and lease.instance == self._me.instance

    def read(self) -> None:
        """Read the lease."""
        cluster, store = self._cluster, self._store
        self._slot.submit("lease", lambda: read_lease(store, cluster))

    def reset_outcome(self) -> None:
        """Ignore the outcome of earlier writes, as a new state begins. The writes stay remembered."""
        self.outcome = "none"

    def acquire(self, reason: str, kind: TakeoverKind) -> None:
        """Replace the lease that was last read. The epoch grows even if the object was deleted."""
        self._slot.discard()  # a read at most; a late write stays remembered
        reading = self._newest_reading()
        acquisition = self._acquisition(reading.lease, kind)
        self._write(
            "acquire",
            "held",
            reading,
            self.observations.highest_epoch + 1,
            reason,
            acquisition=acquisition,
        )

    def renew(self) -> None:
        """Extend the lease; the reason for which it was acquired stays in it."""
        reading = self._newest_reading()
        assert reading.lease is not None
        self._write("renew", "held", reading, _epoch_of(reading), reading.lease.reason)

    def release(self, target: str | None, reason: str) -> None:
        """Release the lease, or hand it to `target`."""
        reading = self._newest_reading()
        self._write(
            "release", "handoff" if target else "released", reading, _epoch_of(reading), reason, target
        )

    def collect(self) -> ConfirmedWrite | None:
        """Take a result. Returns the write that is now known to be in the store, if there is one."""
        now = self._clock.monotonic()
        try:
            answer = self._slot.take()
        except StoreUnavailable as error:
            self.reachable, self.problem = False, error.message
            self._no_response()
            return None
        self.reachable, self.problem = True, ""
        if isinstance(answer, Reading):
            self.read_at = self._slot.sent_at
            self.observations.add(answer, now)
            return self._after_refusal(answer) if self._reads_back else None
        if answer.reading is None:
            self._reads_back = True
            self.read()
            return None
        assert answer.reading.lease is not None
        self.observations.add(answer.reading, now)
        return self._match_write(answer.reading.lease)

    def _newest_reading(self) -> Reading:
        reading = self.observations.reading
        assert reading is not None, "a lease is written only after it was read"
        assert reading.broken is None, "an invalid lease is never overwritten"
        return reading

    def _acquisition(self, former: Lease | None, kind: TakeoverKind) -> Acquisition:
        now = self._clock.now()
        if former is None:
            return Acquisition(kind=kind, at=now)
        return Acquisition(
            kind=kind,
            at=now,
            unchanged_seconds=self.observations.view(self._clock.monotonic()).unchanged_for,
            former_agent=former.holder,
            former_epoch=former.epoch,
            former_renewed_at=former.renewed_at,
            former_target=former.target,
            former_reason=former.reason if former.state != "held" else "",
        )

    def _write(
        self,
        goal: Goal,
        state: LeaseState,
        base: Reading,
        epoch: int,
        reason: str,
        target: str | None = None,
        acquisition: Acquisition | None = None,
    ) -> None:
        """`acquisition`: of a new lease holder; without one, that of the lease so far is kept."""
        self._seq += 1
        if acquisition is None and base.lease is not None:
            acquisition = base.lease.acquisition
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
            acquisition=acquisition,
            ttl_seconds=self._ttl,
            renewed_at=self._clock.now(),
        )
        creates = base.lease is None
        self.goal, self._reads_back, self.outcome = goal, False, "pending"
        sent_at = self._slot.submit(goal, self._sender(lease, base, creates))
        self._newest = self._seq, _Sent(goal, sent_at, creates)
        self._unanswered[self._seq] = self._newest[1]
        if len(self._unanswered) > UNANSWERED:
            del self._unanswered[min(self._unanswered)]

    def _sender(self, lease: Lease, base: Reading, creates: bool) -> Callable[[], _Written]:
        store, key = self._store, lease_key(self._cluster)

        def send() -> _Written:
            written = lease
            if creates:
                # The last epoch of a deleted lease is unknown: the store's time in seconds is higher.
                floor = int(store.server_time().timestamp())
                written = lease.model_copy(update={"epoch": max(lease.epoch, floor)})
            try:
                info = store.replace(key, written.to_json(), expected=base.version)
            except VersionMismatch:
                return _Written(None)
            return _Written(Reading(info.version, written))

        return send

    def _no_response(self) -> None:
        self._reads_back = False
        if self.outcome == "pending":
            self.outcome = "unknown"

    def _after_refusal(self, reading: Reading) -> ConfirmedWrite | None:
        """The object, read after a refused write."""
        self._reads_back = False
        lease = reading.lease
        if lease is None:
            self.outcome = "unknown"
            return None
        if lease.instance != self._me.instance:
            self.outcome = "lost"
            return None
        return self._match_write(lease)

    def _match_write(self, lease: Lease) -> ConfirmedWrite | None:
        """The lease has this instance: find the write that made it so."""
        sent = self._unanswered.pop(lease.seq, None)
        if sent is None:
            # A write that was confirmed long ago, under another version: the object was copied.
            self.outcome = "unknown"
            return None
        for seq in [seq for seq, other in self._unanswered.items() if not other.creates]:
            # The version that they expect is gone: they can't succeed any more.
            del self._unanswered[seq]
        same = sent.goal == self.goal or (self.goal, sent.goal) == ("renew", "acquire")
        self.outcome = "won" if same else "unknown"
        return ConfirmedWrite(sent.goal, lease, sent.sent_at) if same else None


def _epoch_of(reading: Reading) -> int:
    assert reading.lease is not None
    return reading.lease.epoch
