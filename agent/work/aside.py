"""Calls of a store that are not waited for beyond a time: what they were to return is then left out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Mapping
from typing import Generic, TypeVar

from clipping.errors import ClippingError

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class Aside(Generic[K, T]):
    """Calls that run at once, each in a thread of its own. Those of a store end by themselves, as each of its
    calls has a timeout."""

    def __init__(self, calls: Mapping[K, Callable[[], T]], *, name: str) -> None:
        """`name`: of the threads."""
        self._changed = threading.Condition()
        self._names = frozenset(calls)
        self._results: dict[K, T] = {}
        self._failures: dict[K, ClippingError | OSError] = {}
        for key, call in calls.items():
            threading.Thread(target=self._run, args=(key, call), name=name, daemon=True).start()

    def _run(self, key: K, call: Callable[[], T]) -> None:
        try:
            result = call()
        except (ClippingError, OSError) as error:
            with self._changed:
                self._failures[key] = error
                self._changed.notify_all()
        else:
            with self._changed:
                self._results[key] = result
                self._changed.notify_all()

    def wait(self, until: float) -> tuple[dict[K, T], dict[K, str]]:
        """What they returned by then (on `time.monotonic`), and why the others did not."""
        with self._changed:
            self._changed.wait_for(self._all_ended, max(0.0, until - time.monotonic()))
            failures = {key: str(error) for key, error in self._failures.items()}
            late = self._names - self._results.keys() - failures.keys()
            return dict(self._results), failures | dict.fromkeys(late, "timed out")

    def _all_ended(self) -> bool:
        return len(self._results) + len(self._failures) == len(self._names)
