"""When something that fails makes an agent unfit to lead."""

from __future__ import annotations

from agent.watch import BUS_GRACE_SECONDS, GRACE_SECONDS, unfit
from health.snapshot import Check

GONE = Check(False, "gone", 0.0)
MINOR = Check(False, "set by +3600 s", 0.0, essential=False)


def test_a_standby_is_unfit_at_once() -> None:
    assert unfit({"nas /v": GONE}, {"nas /v": 0.0}, 0.0, leads=False) == ("nas /v: gone",)


def test_a_leader_is_unfit_when_the_standbys_have_had_time_to_look() -> None:
    for name, grace in (
        ("nas /v", GRACE_SECONDS),
        ("pubsub", BUS_GRACE_SECONDS),
        ("lane_batch", BUS_GRACE_SECONDS),
    ):
        assert unfit({name: GONE}, {name: 5.0}, 5.0 + grace - 0.1, leads=True) == ()
        assert unfit({name: GONE}, {name: 5.0}, 5.0 + grace, leads=True) == (f"{name}: gone",)


def test_what_is_not_essential_makes_nobody_unfit() -> None:
    assert unfit({"clock": MINOR}, {"clock": 0.0}, 1e6, leads=True) == ()
    assert unfit({"clock": MINOR}, {"clock": 0.0}, 1e6, leads=False) == ()
