"""Copying ends where no copied frame needs, or is shown after, one that is not copied."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.cutting.smart.splice_points import closing
from tests.support.encoded import decoded_order, encoded

BEFORE_ALL = -1
REORDERINGS = {
    "no B-frames": "bframes=0",
    "B-frames": "bframes=3:b-adapt=0:b-pyramid=none",
    "B-pyramid": "bframes=7:b-adapt=0:b-pyramid=normal",
}


@st.composite
def decoding_orders(draw: st.DrawFn) -> list[int]:
    """Distinct presentation times, reordered only within short groups, as encoders do."""
    times = sorted(draw(st.sets(st.integers(0, 12), max_size=12)))
    order: list[int] = []
    while times:
        size = draw(st.integers(1, 6))
        order += draw(st.permutations(times[:size]))
        times = times[size:]
    return order


def can_be_copied(order: list[int], count: int, written: int, stop: int) -> bool:
    """Whether what is written and the first `count` of `order` are all shown before the rest and `stop`."""
    copied = [written, *order[:count]]
    first_shown = sorted([written, *order])[: len(copied)]
    return sorted(copied) == first_shown and all(shown < stop for shown in copied)


@settings(max_examples=300, deadline=None)
@given(decoding_orders(), st.integers(-1, 13), st.integers(0, 13))
def test_as_many_frames_are_copied_as_the_order_allows(order: list[int], written: int, stop: int) -> None:
    order = [shown for shown in order if shown != written]
    possible = [n for n in range(len(order) + 1) if can_be_copied(order, n, written, stop)]
    assert closing(order, written, stop) == max(possible, default=None)


@settings(deadline=None)
@given(decoding_orders(), st.integers(0, 13))
def test_a_later_end_never_copies_less(order: list[int], stop: int) -> None:
    count, more = closing(order, BEFORE_ALL, stop), closing(order, BEFORE_ALL, stop + 1)
    assert count is not None
    assert more is not None
    assert count <= more


def test_frames_shown_before_an_earlier_copied_one_are_copied_with_it() -> None:
    assert closing([4, 2, 5, 3], BEFORE_ALL, 5) == 0  # 3 comes only after 5, which is outside the clip
    assert closing([4, 2, 3, 5], BEFORE_ALL, 5) == 3


def test_written_frames_shown_after_one_that_can_not_be_copied_leave_no_place_to_end() -> None:
    assert closing([5, 1], 3, 5) is None  # 1 is shown before 3, and comes only after 5
    assert closing([5, 1], 3, 6) == 2


def test_a_written_frame_at_or_after_the_end_can_not_be_closed() -> None:
    assert closing([], 5, 5) is None
    assert closing([], 4, 5) == 0


@pytest.mark.parametrize("kind", REORDERINGS)
def test_a_decoder_shows_the_copied_frames_alone_and_without_a_gap(kind: str) -> None:
    stream = encoded("libx264", 25, f"keyint=50:scenecut=0:{REORDERINGS[kind]}")
    order = list(stream.order)
    for stop in range(1, len(order) + 1):
        count = closing(order, BEFORE_ALL, stop)
        assert count is not None
        shown = decoded_order("h264", stream.extradata, stream.payloads[:count], order[:count])
        assert shown == list(range(count))
        assert count <= stop
    assert closing(order, BEFORE_ALL, len(order)) == len(order)


def test_without_b_frames_everything_before_the_end_is_copied() -> None:
    order = encoded("libx264", 25, f"keyint=50:scenecut=0:{REORDERINGS['no B-frames']}").order
    assert [closing(order, BEFORE_ALL, stop) for stop in range(len(order) + 1)] == list(range(len(order) + 1))
