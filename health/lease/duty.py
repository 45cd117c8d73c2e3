"""When to read the lease, when to renew it, when to try again."""

from __future__ import annotations

from health.election.roles import Identity, State
from health.election.timings import HOT_SECONDS, Timings
from health.lease.lease import LeaseHand
from health.lease.sightings import Sightings

NEVER = float("-inf")
WATCHING = (State.STANDBY, State.CANDIDATE, State.FENCED)


class LeaseDuty:
    """Starts the next call for the lease whenever none is under way and one is due."""

    def __init__(self, hand: LeaseHand, sightings: Sightings, timings: Timings, me: Identity) -> None:
        self._hand, self._sightings, self._timings, self._me = hand, sightings, timings, me
        self._read_at = self._written_at = self._renewed_at = NEVER
        self.renews = False
        """The newest decision was to renew."""
        self.look = False
        """Read at once."""
        self.hot = False
        """A planned failover names this agent: read often."""
        self.gives_up: tuple[str | None, str] | None = None
        """Release the lease to this target, for this reason."""

    def acquire(self, reason: str, now: float) -> None:
        self._written_at = now
        self._hand.acquire(reason)

    def landed(self, sent_at: float) -> None:
        """A write that was sent then holds the lease."""
        self._renewed_at = sent_at

    def run(self, state: State, now: float) -> None:
        if self._hand.busy or now < self.due(state):
            return
        if state in WATCHING:
            self._read(now)
        elif not self._mine():
            self._written_at = now
            self._hand.read()
        elif self.gives_up is not None:
            self._written_at = now
            self._hand.give_up(*self.gives_up)
        elif self.renews:
            self._written_at = now
            self._hand.renew()

    def due(self, state: State) -> float:
        """When `run`, or collecting its call's result, is next worth it."""
        if self._hand.busy:
            return self._hand.due
        if state in WATCHING:
            return self._read_due()
        if state not in (State.ACTIVE, State.DRAINING):
            return float("inf")
        again = self._written_at + self._timings.retry
        if self.gives_up is not None:
            # The first attempt goes out at once, the next ones with pauses.
            return again if self._gave_up_before else NEVER
        if not self.renews:
            return float("inf")
        return max(self._renewed_at + self._timings.renew, again)

    @property
    def _gave_up_before(self) -> bool:
        return self._hand.goal == "give up"

    def _read(self, now: float) -> None:
        self._read_at, self.look = now, False
        self._hand.read()

    def _read_due(self) -> float:
        if self.look:
            return NEVER
        due = self._read_at + (HOT_SECONDS if self.hot else self._timings.tick)
        expiry = self._sightings.since + self._timings.ttl
        return min(due, expiry) if expiry > self._read_at else due

    def _mine(self) -> bool:
        """Whether the lease, as it was last seen, can be written over."""
        reading = self._sightings.reading
        lease = reading.lease if reading else None
        return lease is not None and lease.instance == self._me.instance
