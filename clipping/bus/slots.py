"""Limits how many handlers run at the same time, over all streams of a subscription."""

from __future__ import annotations

import threading
from collections.abc import Callable

from clipping.clock import Clock


class Slots:
    """A semaphore. Streams share it, as handlers of a broken stream may still run."""

    def __init__(self, size: int, clock: Clock) -> None:
        if size < 1:
            raise ValueError("a subscription needs at least one slot")
        self.size = size
        self._clock = clock
        self._changed = threading.Condition()
        self._taken = 0
        self._waiting = 0
        self._last_work = clock.monotonic()

    @property
    def taken(self) -> int:
        """Slots in use."""
        return self._taken

    @property
    def waiting(self) -> int:
        """How many wait for a slot."""
        return self._waiting

    def enter(self, give_up: Callable[[], bool]) -> bool:
        """Wait for a free slot and take it. False once `give_up()` is true, which `wake` rechecks."""
        with self._changed:
            self._waiting += 1
            try:
                while not give_up():
                    if self._taken < self.size:
                        self._taken += 1
                        return True
                    self._changed.wait(1.0)
                return False
            finally:
                self._waiting -= 1

    def leave(self) -> None:
        """Free the slot."""
        with self._changed:
            self._taken -= 1
            self._last_work = self._clock.monotonic()
            self._changed.notify_all()

    def wake(self) -> None:
        """Make waiting threads check their `give_up` again."""
        with self._changed:
            self._changed.notify_all()

    def touch(self) -> None:
        """Restart the idle time."""
        with self._changed:
            self._last_work = self._clock.monotonic()

    def wait_idle(self, timeout: float) -> bool:
        """Wait until no slot is taken; False after `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: self._taken == 0, timeout)

    def idle_seconds(self) -> float:
        """Seconds since a slot was last in use; 0 while one is."""
        with self._changed:
            return 0.0 if self._taken else self._clock.monotonic() - self._last_work
