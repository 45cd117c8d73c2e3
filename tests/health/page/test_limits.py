"""Rate limits of each caller and in total."""

from __future__ import annotations

from health.page.limits import CALLER, CALLERS, TOTAL, CallLimits, Rate


def calls(limits: CallLimits, caller: str, count: int, now: float) -> int:
    return sum(limits.allows(caller, now) for _ in range(count))


def test_a_caller_has_a_burst_and_then_a_rate() -> None:
    limits = CallLimits()
    assert calls(limits, "a", 1000, now=5.0) == CALLER.burst
    assert calls(limits, "a", 1000, now=6.0) == CALLER.per_second
    assert calls(limits, "b", 1000, now=6.0) == CALLER.burst


def test_many_callers_share_one_limit() -> None:
    limits = CallLimits()
    assert sum(calls(limits, f"10.0.0.{n}", 10, now=5.0) for n in range(100)) == TOTAL.burst
    assert sum(calls(limits, f"10.0.1.{n}", 10, now=6.0) for n in range(100)) == TOTAL.per_second


def test_the_number_of_remembered_callers_is_limited() -> None:
    limits = CallLimits()
    for number in range(10 * CALLERS):
        limits.allows(f"caller-{number}", now=float(number))
    assert len(limits._callers) == CALLERS


def test_a_clock_set_back_adds_no_tokens() -> None:
    limits = CallLimits()
    assert calls(limits, "a", 1000, now=100.0) == CALLER.burst
    assert calls(limits, "a", 1000, now=1.0) == 0


def test_other_rates() -> None:
    limits = CallLimits(Rate(5.0, 50.0), Rate(20.0, 70.0))
    assert calls(limits, "a", 1000, now=5.0) == 50
    assert calls(limits, "b", 1000, now=5.0) == 20
    assert calls(limits, "a", 1000, now=6.0) == 5
