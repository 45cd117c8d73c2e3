"""When a clip will be ready, and how many wait before it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from api.clips.estimates import Estimate, Estimator, estimate, slots_seen, work_seconds
from api.db import schema
from api.db.engine import Database
from api.db.queue import Waiting, Worked
from clipping.clock import ManualClock
from tests.api.messages import NOW, completed, progress
from tests.api.rows import put, report


def worked(start: float, end: float | None, **over: Any) -> Worked:
    """Seconds after NOW."""
    begun = NOW + timedelta(seconds=start)
    ended = NOW + timedelta(seconds=end) if end is not None else None
    return Worked(
        **{"mode": "encode", "started_at": begun, "ended_at": ended, "length": 10.0, "work": 20.0, **over}
    )


def test_without_history_it_is_a_guess_by_mode() -> None:
    assert work_seconds("copy", 100, []) == 2.0
    assert work_seconds("encode", 100, []) == 50.0


def test_two_clips_are_not_enough_history() -> None:
    assert work_seconds("encode", 100, [worked(0, 20)] * 2) == 50.0


def test_history_counts_by_the_median_ratio_of_its_mode() -> None:
    history = [
        worked(0, 1, length=10.0, work=20.0),
        worked(0, 1, length=100.0, work=100.0),
        worked(0, 1, length=10.0, work=5000.0),
        *[worked(0, 1, mode="copy", work=0.1)] * 9,
        *[worked(0, None, length=None, work=None)] * 9,
    ]
    assert work_seconds("encode", 30, history) == 60.0


@pytest.mark.parametrize("length", [0.001, 1.0])
def test_no_clip_takes_no_time(length: float) -> None:
    assert work_seconds("copy", length, [worked(0, 1, mode="copy", work=0.0)] * 3) == 0.5


def test_slots_are_seen_when_clips_overlap() -> None:
    assert slots_seen([], NOW) == 1
    assert slots_seen([worked(0, 10), worked(10, 20), worked(20, 30)], NOW) == 1
    assert slots_seen([worked(0, 10), worked(5, 20), worked(19, 30)], NOW) == 2
    running = [worked(-3, None), worked(-2, None), worked(-1, None)]
    assert slots_seen([*running, worked(-90, -80)], NOW) == 3


def test_an_agent_whose_clock_is_ahead_or_behind_changes_nothing() -> None:
    assert slots_seen([worked(0, -50), worked(10, -50)], NOW) == 1


def test_what_waits_is_shared_by_the_slots() -> None:
    assert estimate(5.0, Waiting(clips=10, seconds=60.0), slots=4) == Estimate(ahead=10, ready_seconds=20.0)
    assert estimate(5.0, Waiting(clips=0, seconds=0.0), slots=1) == Estimate(ahead=0, ready_seconds=5.0)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(database_url, connections=4)
    schema.migrate(made)
    yield made
    made.close()


def test_each_lane_has_its_own_queue_and_history(database: Database) -> None:
    clock = ManualClock(NOW)
    for seconds in (4.0, 6.0, 8.0):
        request_id = put(database, mode="encode")
        report(database, progress(request_id=request_id), at=NOW - timedelta(seconds=10))
        took = {"processing_time_seconds": 3 * seconds, "duration_seconds": seconds}
        report(database, completed(request_id=request_id, completed_at=NOW, **took))
    for _ in range(4):
        put(database, mode="encode", estimated_seconds=9.0)
    put(database, mode="copy", estimated_seconds=1.0)
    estimator = Estimator(database, clock)
    assert estimator.work("encode", "batch", 30.0) == 90.0
    assert estimator.work("encode", "interactive", 30.0) == 15.0  # no history there
    # Three were worked on at once.
    assert estimator.estimate("batch", 90.0) == Estimate(ahead=4, ready_seconds=102.0)
    assert estimator.estimate("interactive", 2.0) == Estimate(ahead=1, ready_seconds=3.0)


def test_a_long_queue_is_counted_now_and_then(database: Database) -> None:
    clock = ManualClock(NOW)
    for _ in range(200):
        put(database, estimated_seconds=1.0)
    estimator = Estimator(database, clock)
    ahead = [estimator.estimate("interactive", 1.0).ahead for _ in range(3)]
    assert ahead == [200, 201, 202]
    clock.advance(1.1)
    assert estimator.estimate("interactive", 1.0).ahead == 200
