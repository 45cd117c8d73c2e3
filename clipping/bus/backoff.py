"""Waits: between attempts to connect, and of Pub/Sub before it redelivers a released message."""

from __future__ import annotations

import random
from collections.abc import Iterator

_LONGEST_RECONNECTION_SECONDS = 30.0

_MOST_DOUBLINGS = 60
"""2**60 times any backoff is above any maximum; a higher power may not fit a float."""


def redelivery_seconds(attempt: int, *, minimum: float, maximum: float) -> float:
    """The wait after delivery number `attempt` (1 is the first) failed, by the subscription's retry policy.

    Google documents exponential growth between the two limits, without the factor, and redelivers no sooner
    and often slightly later: use it only as an estimate in messages.
    """
    return min(maximum, minimum * 2.0 ** min(max(attempt, 1) - 1, _MOST_DOUBLINGS))


def reconnection_waits() -> Iterator[float]:
    """Seconds between attempts to connect: from one to thirty, doubled after each, and varied."""
    seconds = 1.0
    while True:
        yield seconds * random.uniform(0.8, 1.2)
        seconds = min(seconds * 2, _LONGEST_RECONNECTION_SECONDS)
