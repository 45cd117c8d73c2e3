from __future__ import annotations

from health.lease.observations import NO_LEASE, LeaseObservations, Reading
from tests.ha.observed import lease


def reading(version: str, **over: object) -> Reading:
    return Reading(version, lease(**over))


def test_a_version_counts_from_its_first_read() -> None:
    observations = LeaseObservations()
    observations.add(reading("1"), 100.0)
    observations.add(reading("1"), 110.0)
    assert observations.view(115.0).unchanged_for == 15.0
    observations.add(reading("2"), 120.0)
    assert observations.view(121.0).unchanged_for == 1.0
    assert observations.view(121.0).changes == 1


def test_times_written_by_another_machine_are_ignored() -> None:
    observations = LeaseObservations()
    observations.add(reading("1", renewed_at="1999-01-01T00:00:00Z"), 100.0)
    assert observations.view(101.0).unchanged_for == 1.0


def test_a_missing_object_counts_from_when_it_was_first_missing() -> None:
    observations = LeaseObservations()
    observations.add(reading("1"), 100.0)
    observations.add(NO_LEASE, 105.0)
    observations.add(NO_LEASE, 110.0)
    view = observations.view(112.0)
    assert (view.kind, view.unchanged_for) == ("missing", 7.0)
    observations.add(Reading("3", broken="what?"), 113.0)
    assert observations.view(113.0).kind == "broken"


def test_a_restart_resets_durations_but_not_the_lease() -> None:
    observations = LeaseObservations()
    observations.add(reading("1", epoch=9), 100.0)
    observations.restart(200.0)
    view = observations.view(201.0)
    assert (view.unchanged_for, view.changes) == (1.0, 0)
    assert observations.highest_epoch == 9


def test_takeovers_hold_the_next_one_down_longer_and_longer() -> None:
    """min(15 x 2^k, 600) seconds after the last of k takeovers within ten minutes."""
    observations = LeaseObservations()
    waits = []
    for number in range(8):
        observations.add(reading(str(number), holder=f"nas-{number % 2}", epoch=number), float(number))
        waits.append(observations.hold_down(float(number)))
    assert waits == [0.0, 30.0, 60.0, 120.0, 240.0, 480.0, 600.0, 600.0]
    assert observations.hold_down(7.0 + 500.0) == 100.0
    assert observations.hold_down(7.0 + 601.0) == 0.0


def test_a_handoff_or_a_restart_is_no_takeover() -> None:
    observations = LeaseObservations()
    observations.add(reading("1", holder="nas-1"), 1.0)
    observations.add(reading("2", holder="nas-1", state="handoff", target="nas-2"), 2.0)
    observations.add(reading("3", holder="nas-2"), 3.0)
    observations.add(reading("4", holder="nas-2", instance="restarted"), 4.0)
    assert observations.hold_down(4.0) == 0.0
