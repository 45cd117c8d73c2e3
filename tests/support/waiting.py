"""Waiting for a condition, with a timeout that also suits slow machines."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Seen = TypeVar("Seen")


def eventually(
    condition: Callable[[], Seen | None],
    what: str = "it",
    *,
    within: float = 60.0,
    every: float = 0.02,
    logs: Callable[[], str] | None = None,
) -> Seen:
    """Poll until `condition` returns a true value, and return it. Fails after `within` seconds with the last
    value."""
    give_up = time.monotonic() + within
    while not (seen := condition()):
        if time.monotonic() >= give_up:
            tail = logs() if logs else ""
            raise AssertionError(f"waited {within:g} s for {what}; last: {seen!r}{tail}")
        time.sleep(every)
    return seen
