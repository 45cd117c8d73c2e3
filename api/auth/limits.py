"""Rate limits: the number of calls of a caller in a minute, counted by each process."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass

from clipping.clock import Clock
from clipping.errors import RateLimited

WINDOW_SECONDS = 60.0


@dataclass(frozen=True)
class Allowance:
    """The state of a limit after the call that was just counted."""

    limit: int
    remaining: int
    """Below zero when the call exceeds the limit."""
    reset_seconds: int
    """Seconds until the count is reset."""

    def headers(self) -> dict[str, str]:
        """The headers of every response to a caller."""
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(max(0, self.remaining)),
            "X-RateLimit-Reset": str(self.reset_seconds),
        }

    def check(self) -> None:
        """Raises `RateLimited` when the call exceeds the limit."""
        if self.remaining < 0:
            raise RateLimited(
                f"at most {self.limit} calls a minute: try again in {self.reset_seconds} s",
                retry_after=self.reset_seconds,
            )


class RateLimiter:
    """Counts each caller's calls in windows that start with the first one. Thread-safe.

    All callers are configured, so their number is small.
    """

    def __init__(self, per_minute: int, clock: Clock) -> None:
        self._limit = per_minute
        self._clock = clock
        self._lock = threading.Lock()
        self._windows: dict[str, tuple[float, int]] = {}

    def take(self, name: str) -> Allowance | None:
        """Count one call of this caller; None if there is no limit."""
        if not self._limit:
            return None
        now = self._clock.monotonic()
        with self._lock:
            end, count = self._windows.get(name, (now, 0))
            if now >= end:
                end, count = now + WINDOW_SECONDS, 0
            count += 1
            self._windows[name] = (end, count)
        return Allowance(self._limit, self._limit - count, max(1, math.ceil(end - now)))
