"""How many clips this agent has completed in the last 24 hours, since its start."""

from __future__ import annotations

import threading
from collections import deque

from clipping.clock import Clock

DAY_SECONDS = 86400.0
STEP_SECONDS = 600.0
"""Clips of ten minutes are counted together, and forgotten together."""


class Tally:
    """Thread-safe; at most 145 numbers."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: deque[tuple[int, int]] = deque()

    def add(self) -> None:
        """One more."""
        step = int(self._clock.monotonic() // STEP_SECONDS)
        with self._lock:
            if self._counts and self._counts[-1][0] == step:
                self._counts[-1] = (step, self._counts[-1][1] + 1)
            else:
                self._counts.append((step, 1))
            self._forget(step)

    def total(self) -> int:
        """Those of the last day."""
        with self._lock:
            self._forget(int(self._clock.monotonic() // STEP_SECONDS))
            return sum(count for _, count in self._counts)

    def _forget(self, now: int) -> None:
        while self._counts and self._counts[0][0] < now - DAY_SECONDS / STEP_SECONDS:
            self._counts.popleft()
