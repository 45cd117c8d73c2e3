"""Properties of the decisions about where a clip's video begins and ends."""

from __future__ import annotations

import random
from fractions import Fraction

import pytest

from agent.cutting.plan.extent import LONGEST_USUAL, NEVER, begin, clamped_end, usual_frame, wanted

TICK = Fraction(1, 1000)
ROUNDS = 20_000


def test_the_end_is_at_most_a_usual_frame_after_the_out_point() -> None:
    dice = random.Random(1)
    for _ in range(ROUNDS):
        last = dice.randrange(10_000)
        stop = last + dice.randrange(1, 5_000)
        following = max(stop, last + dice.randrange(1, 200_000))
        usual = dice.randrange(1, 100)
        end = clamped_end(last, following, stop, usual)
        assert last < end <= following
        assert end - stop < usual
        if following < NEVER and following - last >= usual:
            assert end - last >= min(usual, following - last)
        assert end >= min(stop, following), "the range is filled as far as there are frames"


def test_frames_at_their_usual_distance_keep_their_length() -> None:
    dice = random.Random(2)
    for _ in range(ROUNDS):
        usual = dice.randrange(1, 100)
        last = dice.randrange(10_000)
        stop = last + dice.randrange(1, usual + 1)
        assert clamped_end(last, last + usual, stop, usual) == last + usual


def test_a_frame_after_the_out_point_that_a_copy_needs_has_the_usual_length() -> None:
    assert clamped_end(1_040, NEVER, 1_000, 40) == 1_080


@pytest.mark.parametrize(
    ("shown", "rate", "usual"),
    [
        ([0, 40, 80, 5_000, 5_040], Fraction(2), 40),
        ([0], Fraction(25), 40),
        ([0], None, 40),
        ([0, 120_000], Fraction(25), 100),
        ([0, 500, 1_000], Fraction(2), 100),
        ([], Fraction(2000), 1),
    ],
)
def test_the_usual_frame_is_the_median_and_bounded(
    shown: list[int], rate: Fraction | None, usual: int
) -> None:
    assert usual_frame(shown, rate, TICK) == usual
    assert usual * TICK <= LONGEST_USUAL


def test_a_clip_begins_at_the_in_point_or_with_the_first_frame_after_it() -> None:
    dice = random.Random(3)
    for _ in range(ROUNDS):
        shown = sorted(dice.sample(range(20_000), dice.randrange(1, 12)))
        start = dice.randrange(20_000)
        stop = start + dice.randrange(1, 8_000)
        stands, usual = 1_000, dice.randrange(1, 100)
        frames = wanted(shown, start, stop, stands)
        if not frames:
            assert not [t for t in shown if t < stop]
            continue
        at = begin(frames, start, stop, usual)
        assert frames == sorted(set(frames) & set(shown))
        assert [t for t in frames if t >= start] == [t for t in shown if start <= t < stop]
        assert at >= start or (start - at <= usual and stop - start < usual)
        if any(t < start for t in shown):
            assert at - start <= stands, "no more than this is missing at the in-point"
