"""The encoded and copied frames of a smart cut, compared with an exhaustive search."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from agent.cutting.plan.extent import NEVER
from agent.cutting.plan.outcome import Unsuited
from agent.cutting.plan.plan import Plan, plan_cut
from agent.cutting.plan.smart import (
    SETTLED,
    ClipFrames,
    FrameScan,
    Range,
    copied_count,
    plan_rest,
    plan_smart,
)
from clipping.errors import RangeBeyondEnd
from tests.agent.cutting.plan.test_plan import VIDEO, recording, spec, stream
from tests.support.encoded import decoded_order, encoded

REACH = 30
"""Ticks, of a second each here, within which a keyframe must be found."""


def range_of(start: int, stop: int, tick: Fraction = Fraction(1)) -> Range:
    """The range in a video of one frame a second, whose ticks are seconds."""
    video = stream(0, "video", "h264", video=replace(VIDEO, rate=Fraction(1)))
    info = replace(recording(replace(video, time_base=tick)), duration=None, zero=Fraction(0))
    plan: Plan = plan_cut(info, spec("0", "1"), "smart")
    return Range(start, stop, replace(plan, start=start * tick, stop=stop * tick))


@dataclass(frozen=True)
class Video:
    """Frames in decoding order, the first of which is a clean keyframe."""

    order: list[int]
    clean: frozenset[int]
    """Positions."""

    def is_clean(self, position: int) -> bool:
        return position in self.clean

    @property
    def over(self) -> int:
        return max(self.order) + 1


@st.composite
def videos(draw: st.DrawFn) -> Video:
    """Groups of up to 7 frames, reordered within; clean keyframes at the start of some, perhaps with leading
    frames (an open group), which are decoded after it and shown before."""
    groups = draw(st.lists(st.integers(1, 7), min_size=1, max_size=16))
    gaps = draw(st.lists(st.integers(1, 3), min_size=sum(groups), max_size=sum(groups)))
    first = draw(st.integers(-5, 5))
    times = [first + sum(gaps[:n]) for n in range(len(gaps))]
    order: list[int] = []
    clean = {0}
    for number, size in enumerate(groups):
        group = times[len(order) : len(order) + size]
        kind = draw(st.sampled_from(["closed", "open", "no keyframe"])) if number else "closed"
        if kind == "no keyframe":
            order += draw(st.permutations(group))
            continue
        clean.add(len(order))
        keyframe = group[0] if kind == "closed" else draw(st.sampled_from(group))
        leading = [at for at in group if at < keyframe]
        trailing = [at for at in group if at > keyframe]
        order += [keyframe, *draw(st.permutations(leading)), *draw(st.permutations(trailing))]
    return Video(order, frozenset(clean))


starts = st.integers(-8, 90)
lengths = st.integers(1, 60)


def planned(video: Video, range_: Range) -> ClipFrames:
    """The plan; rejects examples that no smart cut is possible for."""
    try:
        return plan_smart(video.order, video.is_clean, video.over, range_)
    except (Unsuited, RangeBeyondEnd):
        assume(False)
        raise AssertionError from None


def seen(video: Video, range_: Range) -> list[int]:
    """The frames that a player shows in the range, with that which stands there for more than a second."""
    within = sorted(at for at in video.order if range_.start <= at < range_.stop)
    before = [at for at in video.order if at < range_.start]
    if before and (not within or within[0] > range_.start + 1):
        within.insert(0, max(before))
    return within


@settings(max_examples=200, deadline=None)
@given(videos(), starts, lengths)
def test_every_frame_of_the_range_is_in_the_clip_once_and_no_other(
    video: Video, start: int, length: int
) -> None:
    range_ = range_of(start, start + length)
    frames = planned(video, range_)
    shown = [*frames.edge, *frames.shown.tolist(), *frames.tail]
    assert sorted(shown) == seen(video, range_)
    assert [video.order[position] for position in frames.copied] == frames.shown.tolist()
    assert frames.copied.tolist() == sorted(frames.copied.tolist())


@settings(max_examples=200, deadline=None)
@given(videos(), starts, lengths)
def test_copied_frames_need_no_frame_that_is_not_copied(video: Video, start: int, length: int) -> None:
    """Decoding begins at a clean keyframe, and frames are left out neither between nor by showing order."""
    range_ = range_of(start, start + length)
    frames = planned(video, range_)
    if not len(frames.copied):
        return
    first, last = int(frames.copied[0]), int(frames.copied[-1])
    assert first in video.clean
    left_out = [video.order[n] for n in range(first, last + 1) if n not in frames.copied]
    assert all(at < video.order[first] for at in left_out)
    later = [at for at in video.order[last + 1 :] if at >= video.order[first]]
    assert all(max(frames.shown) < at for at in later)
    assert list(frames.edge) == sorted(frames.edge)
    assert max(frames.edge, default=-99) < min(frames.shown)
    assert max(frames.shown) < min(frames.tail, default=range_.stop)


@settings(max_examples=200, deadline=None)
@given(videos(), starts, lengths)
def test_no_plan_copies_more(video: Video, start: int, length: int) -> None:
    range_ = range_of(start, start + length)
    frames = planned(video, range_)
    possible = [0]
    for first in sorted(video.clean):
        keyframe = video.order[first]
        after = [at for at in video.order[first:] if at >= keyframe]
        if range_.start <= keyframe < range_.stop:
            counts = [
                n
                for n in range(1, len(after) + 1)
                if max(after[:n]) < min([*after[n:], range_.stop]) and max(after[:n]) < range_.stop
            ]
            possible.append(max(counts, default=0))
            break  # a later keyframe leaves more to encode
    assert len(frames.copied) == max(possible)


@settings(deadline=None)
@given(videos(), starts, lengths)
def test_the_head_is_the_same_when_it_is_planned_before_the_rest_is_read(
    video: Video, start: int, length: int
) -> None:
    """As packets are cut: with the head written, and all but the last frames."""
    range_ = range_of(start, start + length)
    expected = planned(video, range_)
    scan, read = FrameScan(range_), iter(enumerate(video.order))
    for position, shown in read:
        scan.take(shown, partial(video.is_clean, position))
        if scan.head_known:
            break
    head = scan.head(max(scan.order) + 1)
    assert head.edge == expected.edge
    assert head.start == expected.start
    for position, shown in read:
        if scan.complete:
            break
        scan.take(shown, partial(video.is_clean, position))
    frames = plan_rest(head, scan.order, video.over, range_)
    assert (frames.copied.tolist(), frames.tail) == (expected.copied.tolist(), expected.tail)
    assert (frames.start, frames.end, frames.usual) == (expected.start, expected.end, expected.usual)


@settings(deadline=None)
@given(videos(), starts, lengths, st.booleans())
def test_a_clip_covers_its_range_and_no_more(video: Video, start: int, length: int, stands: bool) -> None:
    range_ = range_of(start, start + length, Fraction(1, 100))
    over = NEVER if stands else video.over
    try:
        frames = plan_smart(video.order, video.is_clean, over, range_)
    except (Unsuited, RangeBeyondEnd):
        return
    last = int(frames.order.max())
    later = min([at for at in video.order if at >= range_.stop], default=over)
    assert last < frames.end <= max(later, last + 1)
    assert frames.end == min(later, max(range_.stop, last + frames.usual))
    assert frames.start == frames.order.min()
    # Only a range within a single frame begins with the whole of that frame.
    assert frames.start >= range_.start or length < frames.usual


@settings(deadline=None)
@given(videos(), starts, lengths)
def test_what_is_encoded_is_what_is_not_copied(video: Video, start: int, length: int) -> None:
    frames = planned(video, range_of(start, start + length))
    shown = sorted([*frames.order.tolist(), frames.end])
    lasting = dict(zip(shown, np.diff(shown).tolist(), strict=False))
    encoded_frames = [max(at, frames.start) for at in (*frames.edge, *frames.tail)]
    assert frames.reencoded == sum(lasting[at] for at in encoded_frames)
    kinds = ["edge"] * len(frames.edge) + ["copied"] * len(frames.copied) + ["tail"] * len(frames.tail)
    changes = [n for n in range(1, len(kinds)) if kinds[n] != kinds[n - 1]]
    in_turn = sorted(frames.order.tolist())
    expected = [in_turn[n] for n in changes]
    if frames.tail and not (frames.edge or len(frames.copied)):
        expected = [in_turn[0]]
    assert list(frames.splice_points) == expected


@settings(deadline=None)
@given(videos(), starts, lengths)
def test_a_range_without_frames_is_beyond_the_recording(video: Video, start: int, length: int) -> None:
    range_ = range_of(start, start + length)
    try:
        plan_smart(video.order, video.is_clean, video.over, range_)
    except RangeBeyondEnd:
        assert min(video.order) >= range_.stop or video.over <= range_.start
    except Unsuited:
        assert any(at > start + REACH for at in video.order)
    else:
        assert min(video.order) < range_.stop
        assert video.over > range_.start


def test_frames_at_the_in_point_begin_the_clip_and_frames_at_the_out_point_are_not_in_it() -> None:
    video = Video(list(range(40)), frozenset({0, 10, 20, 30}))
    frames = planned(video, range_of(10, 20))
    assert (frames.edge, frames.shown.tolist(), frames.tail) == ((), list(range(10, 20)), ())
    assert (frames.start, frames.end, frames.reencoded, frames.splice_points) == (10, 20, 0, ())


def test_both_edges_are_encoded_around_what_is_copied() -> None:
    order = [0, 2, 1, 4, 3, 10, 12, 11, 14, 13, 20, 22, 21]
    frames = planned(Video(order, frozenset({0, 5, 10})), range_of(3, 14))
    assert (frames.edge, frames.shown.tolist(), frames.tail) == ((3, 4), [10, 12, 11], (13,))
    assert (frames.start, frames.end, frames.splice_points) == (3, 14, (10, 13))
    assert frames.reencoded == 7 + 1


def test_frames_that_lead_a_keyframe_are_encoded_with_the_edge() -> None:
    order = [0, 1, 2, 5, 3, 4, 6, 7, 8]
    frames = planned(Video(order, frozenset({0, 3})), range_of(1, 8))
    assert (frames.edge, frames.shown.tolist(), frames.tail) == ((1, 2, 3, 4), [5, 6, 7], ())
    assert frames.copied.tolist() == [3, 6, 7]


def test_a_frame_that_is_decoded_far_too_late_is_damage() -> None:
    times = list(range(60))
    times.remove(4)
    late = [*times[:40], 4, *times[40:]]
    with pytest.raises(Unsuited, match="order of its frames"):
        plan_smart(late, {0, 9}.__contains__, 60, range_of(2, 50))


def test_a_frame_before_the_keyframe_that_is_shown_after_it_is_damage() -> None:
    with pytest.raises(Unsuited, match="order of its frames"):
        plan_smart([0, 1, 7, 5, 6, 8, 9], {0, 3}.__contains__, 10, range_of(1, 9))


def test_the_keyframe_may_be_as_far_away_as_reach() -> None:
    near = Video([0, 1, 2, 2 + REACH, 3 + REACH], frozenset({0, 3}))
    assert planned(near, range_of(2, 60)).splice == 2 + REACH
    with pytest.raises(Unsuited, match="30 s after the start"):
        plan_smart([0, 1, 2, 3 + REACH, 4 + REACH], {0, 4}.__contains__, 99, range_of(2, 60))


def test_the_head_is_known_when_no_reordered_frame_can_follow() -> None:
    scan = FrameScan(range_of(5, 100))
    for shown in range(10 + SETTLED + 1):
        assert not scan.head_known
        scan.take(shown, partial({0, 10}.__contains__, shown))
    assert scan.head_known
    assert not scan.ending


# How many frames can be copied.

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


def count_of(order: list[int], stop: int) -> int:
    return copied_count(np.array(order, np.int64), stop)


def can_be_copied(order: list[int], count: int, stop: int) -> bool:
    """Whether the first `count` of `order` are all shown before the rest and `stop`."""
    return sorted(order[:count]) == sorted(order)[:count] and all(shown < stop for shown in order[:count])


@settings(max_examples=300, deadline=None)
@given(decoding_orders(), st.integers(0, 13))
def test_as_many_frames_are_copied_as_the_order_allows(order: list[int], stop: int) -> None:
    assert count_of(order, stop) == max(n for n in range(len(order) + 1) if can_be_copied(order, n, stop))


@settings(deadline=None)
@given(decoding_orders(), st.integers(0, 13))
def test_a_later_end_never_copies_less(order: list[int], stop: int) -> None:
    assert count_of(order, stop) <= count_of(order, stop + 1)


def test_frames_shown_before_an_earlier_copied_one_are_copied_with_it() -> None:
    assert count_of([4, 2, 5, 3], 5) == 0  # 3 comes only after 5, which is outside the clip
    assert count_of([4, 2, 3, 5], 5) == 3


@pytest.mark.parametrize("kind", REORDERINGS)
def test_a_decoder_shows_the_copied_frames_alone_and_without_a_gap(kind: str) -> None:
    video = encoded("libx264", 25, f"keyint=50:scenecut=0:{REORDERINGS[kind]}")
    order = list(video.order)
    for stop in range(1, len(order) + 1):
        count = count_of(order, stop)
        shown = decoded_order("h264", video.extradata, video.payloads[:count], order[:count])
        assert shown == list(range(count))
        assert count <= stop
    assert count_of(order, len(order)) == len(order)


def test_without_b_frames_everything_before_the_end_is_copied() -> None:
    order = list(encoded("libx264", 25, f"keyint=50:scenecut=0:{REORDERINGS['no B-frames']}").order)
    assert [count_of(order, stop) for stop in range(len(order) + 1)] == list(range(len(order) + 1))


def test_a_range_between_two_ticks_shows_the_frame_that_stands_there() -> None:
    """A clock that ticks once a frame: the in-point 0.4 is rounded up to the tick when that frame is over."""
    between = range_of(1, 1)
    between = replace(between, plan=replace(between.plan, start=Fraction(2, 5), stop=Fraction(4, 5)))
    frames = plan_smart([0, 1], lambda _: True, 2, between)
    assert (frames.edge, frames.tail, len(frames.copied)) == ((0,), (), 0)
    with pytest.raises(RangeBeyondEnd):
        plan_smart([0], lambda _: True, 1, range_of(1, 2))
