"""Runs the periodic tasks of an instance in one thread, one task at a time."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from clipping.clock import Clock
from clipping.errors import ClippingError
from clipping.log import get_logger

log = get_logger(__name__)


@dataclass(frozen=True)
class Chore:
    """A periodic task. A failed run is retried at the next interval."""

    name: str
    seconds: float
    do: Callable[[], object]


class Chores:
    """Owns the thread `chores`."""

    def __init__(self, chores: Sequence[Chore], clock: Clock) -> None:
        self._chores = chores
        self._clock = clock
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="chores", daemon=True)

    def start(self) -> None:
        """Start; each task runs first after a part of its interval."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Stop after the running task."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def _run(self) -> None:
        now = self._clock.monotonic()
        # Jitter: instances that were started together should not run the same task at the same time.
        due = {chore.name: now + chore.seconds * random.random() for chore in self._chores}
        while not self._stopping.wait(max(0.0, min(due.values()) - self._clock.monotonic())):
            for chore in self._chores:
                if not self._stopping.is_set() and self._clock.monotonic() >= due[chore.name]:
                    self._do(chore)
                    due[chore.name] = self._clock.monotonic() + chore.seconds * random.uniform(0.8, 1.2)

    def _do(self, chore: Chore) -> None:
        try:
            chore.do()
        except ClippingError as error:
            log.warning("chore.failed", chore=chore.name, code=error.code, reason=error.message)
        except Exception:  # top of the thread: one failure must not stop the other tasks
            log.exception("chore.failed", chore=chore.name)
