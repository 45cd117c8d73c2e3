"""When a failing check makes an agent unfit to lead."""

from __future__ import annotations

from agent.watch import BUS_GRACE_SECONDS, GRACE_SECONDS, SIGNING_GRACE_SECONDS, unfit
from health.page.snapshot import Check, Snapshot

GONE = Check(False, "gone", 0.0)
UNSIGNED = Check(False, "SIGNING_UNAVAILABLE: no", 0.0, essential=False, bars_lead=True)
MINOR = Check(False, "set by +3600 s", 0.0, essential=False)


def test_a_standby_is_unfit_at_once() -> None:
    assert unfit({"nas /v": GONE}, {"nas /v": 0.0}, 0.0, leads=False) == ("nas /v: gone",)


def test_a_leader_is_unfit_once_the_standbys_have_had_time_to_check() -> None:
    for name, grace in (
        ("nas /v", GRACE_SECONDS),
        ("pubsub", BUS_GRACE_SECONDS),
        ("lane_batch", BUS_GRACE_SECONDS),
    ):
        assert unfit({name: GONE}, {name: 5.0}, 5.0 + grace - 0.1, leads=True) == ()
        assert unfit({name: GONE}, {name: 5.0}, 5.0 + grace, leads=True) == (f"{name}: gone",)


def test_without_signing_an_agent_is_degraded_and_unfit() -> None:
    checks, since = {"signing": UNSIGNED}, {"signing": 5.0}
    why = ("signing: SIGNING_UNAVAILABLE: no",)
    assert unfit(checks, since, 5.0, leads=False) == why
    assert unfit(checks, since, 5.0 + SIGNING_GRACE_SECONDS - 0.1, leads=True) == ()
    assert unfit(checks, since, 5.0 + SIGNING_GRACE_SECONDS, leads=True) == why
    snapshot = Snapshot("nas-1", "main", "standby", 0, 5.0, "1", checks=checks, eligible=False)
    assert (snapshot.status(5.0), snapshot.reasons) == ("degraded", list(why))


def test_a_check_that_is_not_essential_makes_no_agent_unfit() -> None:
    assert unfit({"clock": MINOR}, {"clock": 0.0}, 1e6, leads=True) == ()
    assert unfit({"clock": MINOR}, {"clock": 0.0}, 1e6, leads=False) == ()
