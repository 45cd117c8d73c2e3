"""What an agent has read of the lease, and when, on its own clock. Never uses a written time."""

from __future__ import annotations

from dataclasses import dataclass

from clipping.contract.cluster import Lease
from health.election.observation import LeaseView

TAKEOVERS_SECONDS = 600.0
HOLD_DOWN_SECONDS = 15.0
LONGEST_HOLD_DOWN_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Reading:
    """The result of one read. `lease` and `broken` unset: there is no object."""

    version: str | None = None
    lease: Lease | None = None
    broken: str | None = None


NO_LEASE = Reading()


class LeaseObservations:
    """Tracks the lease's versions, and since when each has not changed."""

    def __init__(self, highest_epoch: int = 0) -> None:
        """`highest_epoch`: the highest known from an earlier process."""
        self._newest: Reading | None = None
        self._since = 0.0
        self._changes = 0
        self._takeovers: list[float] = []
        self._last_held: Lease | None = None
        self.highest_epoch = highest_epoch

    @property
    def reading(self) -> Reading | None:
        """The newest; None before the first."""
        return self._newest

    def add(self, reading: Reading, now: float) -> None:
        """The object was read, or written by this process; the result arrived at `now`."""
        newest = self._newest
        if newest is None or newest.version != reading.version:
            self._changes += newest is not None
            self._since = now
            self._count_takeover(reading.lease, now)
        self._newest = reading
        if reading.lease is not None:
            self.highest_epoch = max(self.highest_epoch, reading.lease.epoch)

    def restart(self, now: float) -> None:
        """Start again: how long the version has not changed is unknown now. Takeovers stay counted."""
        self._since, self._changes = now, 0

    def view(self, now: float) -> LeaseView:
        newest = self._newest
        if newest is None:
            return LeaseView()
        if newest.broken is not None:
            kind = "broken"
        else:
            kind = "missing" if newest.lease is None else "present"
        return LeaseView(kind, newest.lease, now - self._since, self._changes, newest.broken or "")  # type: ignore[arg-type]

    @property
    def since(self) -> float:
        """When the newest version was first read."""
        return self._since

    def hold_down(self, now: float) -> float:
        """Seconds until an automatic takeover is allowed again: after k takeovers in ten minutes, 15 x 2^k
        seconds (at most 600) after the last one."""
        recent = [at for at in self._takeovers if now - at < TAKEOVERS_SECONDS]
        if not recent:
            return 0.0
        wait = min(HOLD_DOWN_SECONDS * 2.0 ** len(recent), LONGEST_HOLD_DOWN_SECONDS)
        return max(0.0, recent[-1] + wait - now)

    def _count_takeover(self, lease: Lease | None, now: float) -> None:
        if lease is None:
            return
        before = self._last_held
        if lease.state != "held":
            # Released or handed over: the next holder is not a takeover.
            self._last_held = None
            return
        if before is not None and before.holder != lease.holder:
            self._takeovers = [at for at in self._takeovers if now - at < TAKEOVERS_SECONDS] + [now]
        self._last_held = lease
