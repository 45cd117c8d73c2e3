"""Waiting for a condition, with a timeout that also suits slow machines."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Seen = TypeVar("Seen")

FIRST, SLOWER, LAST = 0.02, 1.2, 0.2
"""The interval between two looks, in seconds, how it grows, and its end: what looks often, such as at a page
in a browser, slows down what it waits for."""


def eventually(
    condition: Callable[[], Seen | None],
    what: str = "it",
    *,
    within: float = 60.0,
    every: float | None = None,
    logs: Callable[[], str] | None = None,
) -> Seen:
    """Poll until `condition` returns a true value, and return it. Fails after `within` seconds with the last
    value. The interval between two looks grows, unless `every` sets one in seconds, for a state that lasts
    only a moment."""
    give_up, pause = time.monotonic() + within, every or FIRST
    while not (seen := condition()):
        if time.monotonic() >= give_up:
            tail = logs() if logs else ""
            raise AssertionError(f"waited {within:g} s for {what}; last: {seen!r}{tail}")
        time.sleep(pause)
        pause = every or min(pause * SLOWER, LAST)
    return seen
