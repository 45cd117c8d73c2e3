"""Waiting for a condition, with a bound that a slow machine keeps too."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Seen = TypeVar("Seen")


def eventually(look: Callable[[], Seen | None], *, within: float = 60.0, every: float = 0.02) -> Seen:
    """What `look` returns once that is true; fails after `within` seconds, with the last it returned."""
    give_up = time.monotonic() + within
    while not (seen := look()):
        if time.monotonic() >= give_up:
            raise AssertionError(f"did not come true within {within:g} s; last: {seen!r}")
        time.sleep(every)
    return seen
