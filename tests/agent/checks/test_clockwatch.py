"""A change of the wall clock is reported for a minute."""

from __future__ import annotations

from datetime import datetime, timedelta

from agent.checks.clockwatch import ClockWatch
from clipping.clock import ManualClock


class TwoClocks(ManualClock):
    """A wall clock that can be set by itself."""

    off = timedelta()

    def now(self) -> datetime:
        return super().now() + self.off


def test_a_jump_is_reported_for_a_minute_and_keeps_no_agent_from_working() -> None:
    clock = TwoClocks()
    watch = ClockWatch(clock)
    clock.advance(3600)  # a suspend, say: both clocks agree
    assert watch.check().ok
    clock.off = timedelta(hours=-1)
    check = watch.check()
    assert (check.ok, check.essential) == (False, False)
    assert "-3600.0 s" in check.detail
    clock.advance(59)
    assert not watch.check().ok
    clock.advance(2)
    assert watch.check().ok


def test_slow_drift_is_no_jump() -> None:
    clock = TwoClocks()
    watch = ClockWatch(clock)
    for _ in range(100):
        clock.advance(0.5)
        clock.off += timedelta(milliseconds=100)
        assert watch.check().ok
