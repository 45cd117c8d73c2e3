"""How long Pub/Sub waits before it delivers a message again that was given back. Pure."""

from __future__ import annotations

_MOST_DOUBLINGS = 60
"""2**60 times any backoff is above any maximum; a higher power may not fit a float."""


def redelivery_seconds(attempt: int, *, minimum: float, maximum: float) -> float:
    """The wait after delivery number `attempt` (1 is the first) failed, by the subscription's retry policy.

    Google documents the growth as exponential between the two limits, without the factor, and delivers no
    sooner and often a little later: for people it is an estimate.
    """
    return min(maximum, minimum * 2.0 ** min(max(attempt, 1) - 1, _MOST_DOUBLINGS))
