"""Rate limits of the health page, per caller and in total.

A flood costs the agent a bounded share of its time, and a standby on another machine still gets its response.
Calls beyond the limits get a short 429, which a standby counts as alive.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass


@dataclass(frozen=True)
class Rate:
    """How many calls are answered: `per_second` in the long run, `burst` at once."""

    per_second: float
    burst: float


CALLER = Rate(10.0, 40.0)
"""Calls from one address. A standby polls every 2 to 30 s, Prometheus every 15 s."""
TOTAL = Rate(100.0, 200.0)
CALLERS = 256
"""Addresses that are remembered; the one that called least recently is dropped first."""


@dataclass
class _Bucket:
    tokens: float
    at: float


class CallLimits:
    """Token buckets. Thread-safe; `now` is on any one monotonic clock."""

    def __init__(self, caller: Rate = CALLER, total: Rate = TOTAL) -> None:
        self._rate, self._total_rate = caller, total
        self._lock = threading.Lock()
        self._callers: OrderedDict[str, _Bucket] = OrderedDict()
        self._total = _Bucket(total.burst, 0.0)

    def allows(self, caller: str, now: float) -> bool:
        """Whether this call may be answered; counts it if so."""
        with self._lock:
            bucket = self._callers.pop(caller, None) or _Bucket(self._rate.burst, now)
            self._callers[caller] = bucket
            if len(self._callers) > CALLERS:
                self._callers.popitem(last=False)
            _refill(bucket, now, self._rate)
            _refill(self._total, now, self._total_rate)
            if bucket.tokens < 1 or self._total.tokens < 1:
                return False
            bucket.tokens -= 1
            self._total.tokens -= 1
            return True


def _refill(bucket: _Bucket, now: float, rate: Rate) -> None:
    bucket.tokens = min(rate.burst, bucket.tokens + max(0.0, now - bucket.at) * rate.per_second)
    bucket.at = now
