"""Segments cover a range: every frame is in one of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.cutting.plan.segments import Segment, plan_segments

TIMES = st.lists(st.integers(0, 5_000), min_size=1, max_size=200, unique=True).map(sorted)


@given(times=TIMES, picked=st.data(), length=st.integers(1, 3_000))
def test_every_frame_is_in_exactly_one_segment(times: list[int], picked: st.DataObject, length: int) -> None:
    keyframes = picked.draw(st.lists(st.sampled_from(times), max_size=30))
    segments = plan_segments(times, keyframes, length)
    covered = [position for segment in segments for position in range(segment.first, segment.stop)]
    assert covered == list(range(len(times)))
    assert all(segment.first < segment.stop for segment in segments)
    assert all(times[segment.first] in keyframes for segment in segments[1:])
    if len(segments) > 1:
        begins = [times[segment.first] for segment in segments]
        assert all(2 * (b - a) >= length for a, b in zip(begins, [*begins[1:], times[-1]], strict=True))


@given(times=TIMES, keyframes=st.lists(st.integers(0, 5_000)), length=st.integers(1, 3_000))
def test_keyframes_that_are_not_in_the_range_are_ignored(
    times: list[int], keyframes: list[int], length: int
) -> None:
    inside = [at for at in keyframes if at in times]
    assert plan_segments(times, keyframes, length) == plan_segments(times, inside, length)


def test_a_segment_begins_with_the_keyframe_nearest_to_its_length() -> None:
    times = list(range(0, 1000, 10))
    found = plan_segments(times, [0, 90, 120, 190, 400, 700, 990], 100)
    assert [times[segment.first] for segment in found] == [0, 90, 190, 400, 700]


def test_the_last_segment_is_not_divided_for_a_short_rest() -> None:
    times = list(range(0, 540, 10))
    found = plan_segments(times, times, 100)
    assert [times[segment.first] for segment in found] == [0, 100, 200, 300, 400]
    assert plan_segments(times[:15], times, 100) == (Segment(0, 15),)


def test_a_range_without_a_keyframe_is_one_segment() -> None:
    assert plan_segments(list(range(500)), [], 10) == (Segment(0, 500),)
    assert plan_segments(list(range(500)), [0], 10) == (Segment(0, 500),)
