"""Calls that may take their time, made elsewhere than in the loop that decides.

A call that does not return is left to itself: a hung store can't stall the coordinator, and can't pile up
threads either.
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
"""Of one agent, those that were given up on and have not returned included."""


class Pending(Protocol[T_co]):
    """A call under way."""

    @property
    def done(self) -> bool: ...

    def result(self) -> T_co:
        """What the call returned; raises what it raised. Only when `done`."""
        ...


class Calls(Protocol):
    """Makes calls without keeping the caller waiting."""

    def submit(self, name: str, call: Callable[[], T]) -> Pending[T]:
        """Start `call`; `name` says in one word what it is for."""
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
    """One short-lived thread for each call, `CALLS_AT_ONCE` at most. `wake` is called when one has ended."""

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
        except Exception as error:  # noqa: BLE001 (a thread's root: whoever waits for the result gets it)
            pending.error = error
        finally:
            self._free.release()
            pending.done = True
            self._wake()


class Slot(Generic[T]):
    """At most one call under way, and how long it has been. Results of a call that was given up are lost."""

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
        # Taken before the call begins: a lease counts from here.
        self.sent_at = self._clock.monotonic()
        self._pending = self._calls.submit(name, call)
        return self.sent_at

    def ready(self) -> bool:
        """Whether `take` has something: a result, or that there is none in time."""
        pending = self._pending
        if pending is None:
            return False
        return pending.done or self._clock.monotonic() - self.sent_at >= self._limit

    def take(self) -> T:
        """The result. Raises what the call raised, and `StoreUnavailable` when it did not return in time."""
        pending, self._pending = self._pending, None
        assert pending is not None
        if not pending.done:
            raise StoreUnavailable(f"no answer within {self._limit:g} s")
        return pending.result()

    def forget(self) -> None:
        """Whatever it brings does not matter any more."""
        self._pending = None

    @property
    def due(self) -> float:
        """When a call under way is given up."""
        return self.sent_at + self._limit
