"""Calls that may block, made outside the loop that decides.

A call that does not return is abandoned: a hung store can neither stall the coordinator nor pile up threads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from clipping.clock import Clock
from clipping.errors import StoreUnavailable

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

CALLS_AT_ONCE = 8
"""Per agent, including abandoned calls that have not returned."""


class Pending(Protocol[T_co]):
    """A call in progress."""

    @property
    def done(self) -> bool: ...

    def result(self) -> T_co:
        """What the call returned; raises what it raised. Only when `done`."""
        ...


class Calls(Protocol):
    """Makes calls without blocking the caller."""

    def submit(self, name: str, call: Callable[[], T]) -> Pending[T]:
        """Start `call`; `name` is its purpose in one word."""
        ...


class _Call(Generic[T]):
    def __init__(self) -> None:
        self.done = False
        self.value: T
        self.error: Exception | None = None

    def result(self) -> T:
        if self.error is not None:
            raise self.error
        return self.value


class ThreadCalls:
    """One short-lived thread per call, at most `CALLS_AT_ONCE`. `wake` is called when one has ended."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._free = threading.Semaphore(CALLS_AT_ONCE)

    def submit(self, name: str, call: Callable[[], T]) -> Pending[T]:
        pending: _Call[T] = _Call()
        if not self._free.acquire(blocking=False):
            pending.error = StoreUnavailable(f"{CALLS_AT_ONCE} earlier calls have not returned yet.")
            pending.done = True
            return pending
        try:
            threading.Thread(
                target=self._run, args=(pending, call), name=f"cluster-{name}", daemon=True
            ).start()
        except RuntimeError as error:  # the machine allows no more threads
            self._free.release()
            pending.error = StoreUnavailable(f"No thread for a call: {error}.")
            pending.done = True
        return pending

    def _run(self, pending: _Call[T], call: Callable[[], T]) -> None:
        try:
            pending.value = call()
        except Exception as error:  # noqa: BLE001 (the thread's root: `result` raises it)
            pending.error = error
        finally:
            self._free.release()
            pending.done = True
            self._wake()


class Slot(Generic[T]):
    """At most one call in progress, with a time limit. The result of an abandoned call is lost."""

    def __init__(self, calls: Calls, clock: Clock, limit: float) -> None:
        self._calls, self._clock, self._limit = calls, clock, limit
        self._pending: Pending[T] | None = None
        self.sent_at = 0.0

    @property
    def busy(self) -> bool:
        return self._pending is not None

    def submit(self, name: str, call: Callable[[], T]) -> float:
        """Start a call; returns the time before it was sent."""
        assert self._pending is None
        # Taken before the call begins: the validity of a lease is counted from here.
        self.sent_at = self._clock.monotonic()
        self._pending = self._calls.submit(name, call)
        return self.sent_at

    def ready(self) -> bool:
        """Whether `take` may be called: there is a result, or the call timed out."""
        pending = self._pending
        if pending is None:
            return False
        return pending.done or self._clock.monotonic() - self.sent_at >= self._limit

    def take(self) -> T:
        """The result. Raises what the call raised, and `StoreUnavailable` when it timed out."""
        pending, self._pending = self._pending, None
        assert pending is not None
        if not pending.done:
            raise StoreUnavailable(f"no answer within {self._limit:g} s")
        return pending.result()

    def discard(self) -> None:
        """Abandon the call in progress, if there is one."""
        self._pending = None

    @property
    def due(self) -> float:
        """When the call in progress times out."""
        return self.sent_at + self._limit
