"""Plausible but wrong rules. The model must find two leaders with them."""

from __future__ import annotations

from bench.cluster.world import MachineClock
from health.lease.guard import Guard


class CountsFromTheAnswer(Guard):
    """Counts validity from the store's response instead of from the renewal's request."""

    def renewed(self, epoch: int, sent_at: float) -> None:
        super().renewed(epoch, self._clock.monotonic())


class TrustsWallTime(MachineClock):
    """Measures durations on the wall clock, which jumps."""

    def monotonic(self) -> float:
        return super().monotonic() + self.wall_offset.total_seconds()

    def world_time(self, monotonic: float) -> float:
        return super().world_time(monotonic - self.wall_offset.total_seconds())
