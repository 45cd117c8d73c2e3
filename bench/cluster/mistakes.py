"""Rules that look right and are not: the model has to find two leaders with them, or it is worth nothing."""

from __future__ import annotations

from bench.cluster.world import MachineClock
from health.lease.guard import Guard


class CountsFromTheAnswer(Guard):
    """Validity from when the store's answer came, instead of from when the renewal was sent."""

    def renewed(self, epoch: int, sent_at: float) -> None:
        super().renewed(epoch, self._clock.monotonic())


class TrustsWallTime(MachineClock):
    """All that is counted is counted on the wall clock, which jumps."""

    def monotonic(self) -> float:
        return super().monotonic() + self.wall_offset.total_seconds()

    def world_time(self, monotonic: float) -> float:
        return super().world_time(monotonic - self.wall_offset.total_seconds())
