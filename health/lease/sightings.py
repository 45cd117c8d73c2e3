"""What an agent has seen of the lease, and when, on its own clock. Nothing here reads a written time."""

from __future__ import annotations

from dataclasses import dataclass

from clipping.contract.cluster import Lease
from health.election.observation import LeaseView

TAKEOVERS_SECONDS = 600.0
HOLD_DOWN_SECONDS = 15.0
LONGEST_HOLD_DOWN_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Reading:
    """What one look at the object brought. `lease` and `broken` unset: there is no object."""

    version: str | None = None
    lease: Lease | None = None
    broken: str | None = None


NOTHING = Reading()


class Sightings:
    """Follows the lease's versions. A version that is new begins a count of its own."""

    def __init__(self, highest_epoch: int = 0) -> None:
        """`highest_epoch`: the highest that is known from before."""
        self._seen: Reading | None = None
        self._since = 0.0
        self._changes = 0
        self._takeovers: list[float] = []
        self._last_held: Lease | None = None
        self.highest_epoch = highest_epoch

    @property
    def reading(self) -> Reading | None:
        """The newest; None before the first."""
        return self._seen

    def saw(self, reading: Reading, now: float) -> None:
        """The object was read, or written by us, and known here at `now`."""
        seen = self._seen
        if seen is None or seen.version != reading.version:
            self._changes += seen is not None
            self._since = now
            self._count_takeover(reading.lease, now)
        self._seen = reading
        if reading.lease is not None:
            self.highest_epoch = max(self.highest_epoch, reading.lease.epoch)

    def restart(self, now: float) -> None:
        """Observe anew: how long anything has stood still is not known any more. Takeovers stay counted."""
        self._since, self._changes = now, 0

    def view(self, now: float) -> LeaseView:
        seen = self._seen
        if seen is None:
            return LeaseView()
        if seen.broken is not None:
            kind = "broken"
        else:
            kind = "missing" if seen.lease is None else "present"
        return LeaseView(kind, seen.lease, now - self._since, self._changes, seen.broken or "")  # type: ignore[arg-type]

    @property
    def since(self) -> float:
        """When the newest version was first seen."""
        return self._since

    def hold_down(self, now: float) -> float:
        """Seconds until an automatic takeover is wise again: after k of them in ten minutes, 15 x 2^k from
        the last one."""
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
            # Given up: whoever comes next was asked to.
            self._last_held = None
            return
        if before is not None and before.holder != lease.holder:
            self._takeovers = [at for at in self._takeovers if now - at < TAKEOVERS_SECONDS] + [now]
        self._last_held = lease
