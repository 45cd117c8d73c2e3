"""Whether this agent may act as the leader now. Checked before every publish and every upload."""

from __future__ import annotations

import math
import threading
from typing import Protocol

from clipping.clock import Clock
from clipping.errors import LeaseLost


class Permit(Protocol):
    """What the work checks: `Guard` where agents elect a leader, `NoLease` where they don't."""

    @property
    def epoch(self) -> int:
        """The epoch in which this agent leads, or led last."""
        ...

    def valid(self) -> bool:
        """Whether it may publish and upload now."""
        ...

    def check(self) -> None:
        """Raises `LeaseLost` unless `valid()`."""
        ...


class Guard:
    """Valid until `deadline_seconds` after the *sending* of the last good renewal, on this machine's own
    clock that also counts suspends (CLOCK_BOOTTIME). Thread-safe.

    It expires by itself: a process that was stopped, suspended or cut off from the store finds it invalid
    when it resumes, without being notified. Counting from the response instead would allow two leaders when
    a response is late.
    """

    def __init__(self, clock: Clock, deadline_seconds: float) -> None:
        self._clock = clock
        self._deadline = deadline_seconds
        self._lock = threading.Lock()
        self._epoch = 0
        self._until = -math.inf

    @property
    def epoch(self) -> int:
        return self._epoch

    def valid(self) -> bool:
        return self.remaining() > 0

    def check(self) -> None:
        if not self.valid():
            raise LeaseLost("this agent's lease has run out: another agent does this clip")

    def remaining(self) -> float:
        """Seconds of validity left; not above 0 once it has expired."""
        with self._lock:
            return self._until - self._clock.monotonic()

    def renewed(self, epoch: int, sent_at: float) -> None:
        """The store has a write of this agent's lease that was sent at `sent_at` on the monotonic clock."""
        with self._lock:
            self._until = sent_at + self._deadline
            self._epoch = epoch

    def drop(self) -> None:
        """Invalid from now on."""
        with self._lock:
            self._until = -math.inf


class NoLease:
    """For `ha.mode` pool and single: always valid, epoch 0."""

    epoch = 0

    def valid(self) -> bool:
        return True

    def check(self) -> None:
        return None
