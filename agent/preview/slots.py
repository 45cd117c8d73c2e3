"""How many calls may work at the same time, and how many may wait for that."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from clipping.errors import Overloaded

WAIT_SECONDS = 5.0
_RETRY_SECONDS = 1


class Slots:
    """Thread-safe."""

    def __init__(self, count: int, *, patience: float = WAIT_SECONDS) -> None:
        self.count = count
        self._patience = patience
        self.waits = 0
        """How many calls wait now."""
        self._lock = threading.Lock()
        self._free = threading.BoundedSemaphore(count)
        self._places = threading.BoundedSemaphore(2 * count)

    @property
    def threads(self) -> int:
        """Enough for those that work and wait, and for refusing others at once."""
        return 2 * self.count + 2

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Hold a slot. Raises `Overloaded` when none becomes free soon."""
        busy = Overloaded(f"{self.count} previews are being made: retry later", retry_after=_RETRY_SECONDS)
        if not self._places.acquire(blocking=False):
            raise busy
        try:
            if not self._taken():
                raise busy
            try:
                yield
            finally:
                self._free.release()
        finally:
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
