"""How fast roots are scanned."""

from __future__ import annotations

import threading

from clipping.clock import Clock

SLICE_SECONDS = 0.05
"""Entries are read in slices of about this long, so that the NAS has something else to do in between."""


class Stopped(Exception):
    """The scan is to end: the agent stops, or no longer leads."""


class Pace:
    """Limits how many entries all scans together read per second. Thread-safe."""

    def __init__(self, per_second: int, clock: Clock) -> None:
        self._clock = clock
        self.slice = max(1, int(per_second * SLICE_SECONDS))
        """How many entries to read between two calls of `take`."""
        self._seconds = 1 / per_second
        self._lock = threading.Lock()
        self._next = clock.monotonic()

    def take(self, count: int, stop: threading.Event) -> None:
        """Wait until `count` more entries may be read. Raises `Stopped` once `stop` is set."""
        with self._lock:
            now = self._clock.monotonic()
            # Time in which nothing was read is not made up for.
            begin = max(self._next, now)
            self._next = begin + count * self._seconds
        if stop.wait(max(0.0, begin - now)):
            raise Stopped
