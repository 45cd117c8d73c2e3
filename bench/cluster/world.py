"""Time, and what happens in it. One thread; a seed decides everything."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from datetime import datetime, timedelta

from clipping.clock import ManualClock


class World:
    """Events in the order of their times. `clock` is the true time, which no agent sees."""

    def __init__(self, seed: int) -> None:
        self.clock = ManualClock()
        self.rng = random.Random(seed)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self.now = self.clock.monotonic()

    def at(self, moment: float, do: Callable[[], None]) -> None:
        """Do something at `moment`; of one moment, in the order of asking."""
        self._count += 1
        heapq.heappush(self._events, (max(moment, self.now), self._count, do))

    def after(self, seconds: float, do: Callable[[], None]) -> None:
        self.at(self.now + seconds, do)

    def run(self, until: float) -> None:
        """Let time pass until `until`."""
        while self._events and self._events[0][0] <= until:
            moment, _, do = heapq.heappop(self._events)
            self._advance(moment)
            do()
        self._advance(until)

    def _advance(self, moment: float) -> None:
        while self.now < moment:
            # The clock counts whole microseconds: never stop just short of what is due.
            self.clock.advance(max(moment - self.now, 1e-6))
            self.now = self.clock.monotonic()


class MachineClock:
    """A machine's clock: runs a little fast or slow; its wall time jumps."""

    def __init__(self, world: World, *, rate: float = 1.0, offset: float = 0.0) -> None:
        self._world, self._rate, self._offset = world, rate, offset
        self.wall_offset = timedelta()

    def now(self) -> datetime:
        return self._world.clock.now() + self.wall_offset

    def monotonic(self) -> float:
        return self._world.now * self._rate + self._offset

    def sleep(self, seconds: float) -> None:
        raise AssertionError("nothing that is stepped may sleep")

    def world_time(self, monotonic: float) -> float:
        """When this machine's clock shows `monotonic`."""
        return (monotonic - self._offset) / self._rate
