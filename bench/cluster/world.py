"""Simulated time and events. Single-threaded and determined by a seed."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from datetime import datetime, timedelta

from clipping.clock import ManualClock


class World:
    """An event queue ordered by time. `clock` is the true time, which agents can't read."""

    def __init__(self, seed: int) -> None:
        self.clock = ManualClock()
        self.rng = random.Random(seed)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self.now = self.clock.monotonic()

    def at(self, moment: float, do: Callable[[], None]) -> None:
        """Schedule `do` at `moment`. Events of the same moment run in the order of scheduling."""
        self._count += 1
        heapq.heappush(self._events, (max(moment, self.now), self._count, do))

    def after(self, seconds: float, do: Callable[[], None]) -> None:
        self.at(self.now + seconds, do)

    def run(self, until: float) -> None:
        """Run the events up to `until`."""
        while self._events and self._events[0][0] <= until:
            moment, _, do = heapq.heappop(self._events)
            self._advance(moment)
            do()
        self._advance(until)

    def _advance(self, moment: float) -> None:
        while self.now < moment:
            # The clock has microsecond resolution: do not stop just before a due event.
            self.clock.advance(max(moment - self.now, 1e-6))
            self.now = self.clock.monotonic()


class MachineClock:
    """A machine's clock: drifts slightly; its wall time jumps."""

    def __init__(self, world: World, *, rate: float = 1.0, offset: float = 0.0) -> None:
        self._world, self._rate, self._offset = world, rate, offset
        self.wall_offset = timedelta()

    def now(self) -> datetime:
        return self._world.clock.now() + self.wall_offset

    def monotonic(self) -> float:
        return self._world.now * self._rate + self._offset

    def sleep(self, seconds: float) -> None:
        raise AssertionError("simulated code may not sleep")

    def world_time(self, monotonic: float) -> float:
        """The true time at which this machine's clock shows `monotonic`."""
        return (monotonic - self._offset) / self._rate
