"""Whether this agent may act as the leader right now. Looked at before every publish and every upload."""

from __future__ import annotations

import math
import threading
from typing import Protocol

from clipping.clock import Clock
from clipping.errors import LeaseLost


class Permit(Protocol):
    """What the work looks at: `Guard` where one agent leads, `NoLease` where none does."""

    @property
    def epoch(self) -> int:
        """The epoch that this agent leads, or led last."""
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

    It runs out by itself: a process that was stopped, suspended or cut from the store finds it invalid on
    waking, without anybody having told it. Counting from the answer instead would let an answer that came
    late keep two leaders.
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
        """Seconds of validity left; not above 0 once it is over."""
        with self._lock:
            return self._until - self._clock.monotonic()

    def renewed(self, epoch: int, sent_at: float) -> None:
        """The store took our lease, in a write that was sent at `sent_at` on the monotonic clock."""
        with self._lock:
            self._until = sent_at + self._deadline
            self._epoch = epoch

    def drop(self) -> None:
        """Not ours any more, at once."""
        with self._lock:
            self._until = -math.inf


class NoLease:
    """For `ha.mode` pool and single: always valid, epoch 0."""

    epoch = 0

    def valid(self) -> bool:
        return True

    def check(self) -> None:
        return None
