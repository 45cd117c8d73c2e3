"""What of a long encode can be finished before it is given back."""

from __future__ import annotations

import pytest

from agent.cutting.process.pace import Pace
from clipping.contract.checkpoint import Checkpoint


def after(segments: int, *, resumed: int = 0, of: int = 10) -> Checkpoint:
    return Checkpoint(
        frame=100 * segments, total=100 * of, segment=segments, segments=of, resumed_count=resumed
    )


def test_nothing_is_known_before_the_first_segment_is_finished() -> None:
    pace = Pace(0.0)
    assert (pace.next_segment_in(5.0), pace.all_segments_in()) == (None, None)


def test_the_next_segments_take_as_long_as_those_before() -> None:
    pace = Pace(0.0)
    pace.kept(after(1), 4.0)
    pace.kept(after(2), 10.0)
    assert pace.next_segment_in(11.0) == pytest.approx(4.0)
    assert pace.next_segment_in(20.0) == 0.0
    assert pace.all_segments_in() == pytest.approx(8 * 5.0 * 1.1)


def test_what_an_earlier_attempt_finished_says_nothing_about_this_one() -> None:
    pace = Pace(0.0)
    pace.kept(after(6, resumed=1), 1.0)
    assert (pace.next_segment_in(2.0), pace.all_segments_in()) == (None, None)
    pace.kept(after(7, resumed=1), 5.0)
    assert pace.next_segment_in(5.0) == pytest.approx(4.0)
    assert pace.all_segments_in() == pytest.approx(3 * 4.0 * 1.1)


def test_a_second_try_goes_on_at_the_same_pace() -> None:
    pace = Pace(0.0)
    for count in (1, 2):
        pace.kept(after(count, of=2), 4.0 * count)
    assert pace.next_segment_in(8.0) is None
    assert pace.all_segments_in() == 0.0
    pace.kept(after(1, of=2), 13.0)
    assert pace.all_segments_in() == pytest.approx(4.0 * 1.1)


def test_the_end_of_the_last_segment_is_the_end() -> None:
    pace = Pace(0.0)
    pace.kept(after(10), 4.0)
    assert pace.next_segment_in(5.0) is None
    assert pace.all_segments_in() == 0.0
