"""Estimates how long Pub/Sub waits before it redelivers a released message. Pure."""

from __future__ import annotations

_MOST_DOUBLINGS = 60
"""2**60 times any backoff is above any maximum; a higher power may not fit a float."""


def redelivery_seconds(attempt: int, *, minimum: float, maximum: float) -> float:
    """The wait after delivery number `attempt` (1 is the first) failed, by the subscription's retry policy.

    Google documents exponential growth between the two limits, without the factor, and redelivers no sooner
    and often slightly later: use it only as an estimate in messages.
    """
    return min(maximum, minimum * 2.0 ** min(max(attempt, 1) - 1, _MOST_DOUBLINGS))
