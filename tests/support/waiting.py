"""Waiting for a condition, with a bound that a slow machine keeps too."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Seen = TypeVar("Seen")


def eventually(
    look: Callable[[], Seen | None],
    what: str = "it",
    *,
    within: float = 60.0,
    every: float = 0.02,
    logs: Callable[[], str] | None = None,
) -> Seen:
    """What `look` returns once that is true. Fails after `within` seconds, with what it returned last."""
    give_up = time.monotonic() + within
    while not (seen := look()):
        if time.monotonic() >= give_up:
            told = logs() if logs else ""
            raise AssertionError(f"waited {within:g} s for {what}; last: {seen!r}{told}")
        time.sleep(every)
    return seen
