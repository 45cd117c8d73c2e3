"""How many calls may work at the same time, and how many may wait for that."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from clipping.errors import Overloaded

WAIT_SECONDS = 5.0
_RETRY_SECONDS = 1


class Slots:
    """Thread-safe. Calls in the background never hold or wait for all of them, unless there is one only."""

    def __init__(self, count: int, *, patience: float = WAIT_SECONDS) -> None:
        self.count = count
        self._all = _Gate(count, patience)
        self._background = _Gate(max(1, count - 1), patience)

    @property
    def threads(self) -> int:
        """Enough for those that work and wait, and for refusing others at once."""
        # Calls in the background wait in two places.
        return 3 * self.count + 2

    @property
    def waits(self) -> int:
        """How many calls wait now."""
        return self._all.waits + self._background.waits

    @contextmanager
    def taken(self, *, background: bool = False) -> Iterator[None]:
        """Hold a slot. Raises `Overloaded` when none becomes free soon.

        `background`: what no player waits for, such as strips.
        """
        with ExitStack() as held:
            for gate in (self._background, self._all) if background else (self._all,):
                if not gate.enter():
                    raise Overloaded(
                        f"{self.count} previews are being made: retry later", retry_after=_RETRY_SECONDS
                    )
                held.callback(gate.leave)
            yield


class _Gate:
    """Admits `count` calls, and lets as many wait."""

    def __init__(self, count: int, patience: float) -> None:
        self.waits = 0
        self._patience = patience
        self._lock = threading.Lock()
        self._free = threading.BoundedSemaphore(count)
        self._places = threading.BoundedSemaphore(2 * count)

    def enter(self) -> bool:
        """Whether it was admitted: then `leave` follows."""
        if not self._places.acquire(blocking=False):
            return False
        if self._taken():
            return True
        self._places.release()
        return False

    def leave(self) -> None:
        self._free.release()
        self._places.release()

    def _taken(self) -> bool:
        if self._free.acquire(blocking=False):
            return True
        with self._lock:
            self.waits += 1
        try:
            return self._free.acquire(timeout=self._patience)
        finally:
            with self._lock:
                self.waits -= 1
