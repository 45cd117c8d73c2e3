"""Rate limits of the health page, per caller and in total.

A flood costs the agent a bounded share of its time, and a standby on another machine still gets its response.
Calls beyond the limits get a short 429, which a standby counts as alive.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

CALLER_RATE, CALLER_BURST = 10.0, 40.0
"""Calls per second from one address. A standby polls every 2 to 30 s, Prometheus every 15 s."""
TOTAL_RATE, TOTAL_BURST = 100.0, 200.0
CALLERS = 256
"""Addresses that are remembered; the one that called least recently is dropped first."""


@dataclass
class _Bucket:
    tokens: float
    at: float


class CallLimits:
    """Token buckets. Thread-safe; `now` is on any one monotonic clock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callers: OrderedDict[str, _Bucket] = OrderedDict()
        self._total = _Bucket(TOTAL_BURST, 0.0)

    def allows(self, caller: str, now: float) -> bool:
        """Whether this call may be answered; counts it if so."""
        with self._lock:
            bucket = self._callers.pop(caller, None) or _Bucket(CALLER_BURST, now)
            self._callers[caller] = bucket
            if len(self._callers) > CALLERS:
                self._callers.popitem(last=False)
            _refill(bucket, now, CALLER_RATE, CALLER_BURST)
            _refill(self._total, now, TOTAL_RATE, TOTAL_BURST)
            if bucket.tokens < 1 or self._total.tokens < 1:
                return False
            bucket.tokens -= 1
            self._total.tokens -= 1
            return True


def _refill(bucket: _Bucket, now: float, rate: float, burst: float) -> None:
    bucket.tokens = min(burst, bucket.tokens + max(0.0, now - bucket.at) * rate)
    bucket.at = now
