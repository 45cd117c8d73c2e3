"""Clips of the last 24 hours."""

from __future__ import annotations

from agent.tally import Tally
from clipping.clock import ManualClock


def test_what_is_older_than_a_day_is_forgotten_and_memory_is_bounded() -> None:
    clock = ManualClock()
    tally = Tally(clock)
    for _ in range(3 * 24 * 60):
        tally.add()
        clock.advance(60)
    assert 24 * 60 - 10 <= tally.total() <= 24 * 60 + 10
    assert len(tally._counts) <= 146
    clock.advance(86400 + 600)
    assert tally.total() == 0
