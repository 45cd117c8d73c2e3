"""Generated decoding times increase strictly and never exceed the display times."""

from __future__ import annotations

from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.cutting.formats.dts import DecodeTimes, Unsortable, decode_times


def all_times(delay: int, shown: list[int]) -> list[int]:
    times = DecodeTimes(delay)
    early = [dts for pts in shown if (dts := times.push(pts)) is not None]
    return early + times.flush()


def in_groups(order: list[int], groups: int, step: int) -> list[int]:
    """Frames decoded in `order` within each group."""
    return [(n + group * len(order)) * step for group in range(groups) for n in order]


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [0, 3, 1, 2], [0, 4, 2, 1, 3], [0, 8, 4, 2, 1, 3, 6, 5, 7]])
def test_they_are_the_sorted_presentation_times_less_the_delay(order: list[int]) -> None:
    shown = in_groups(order, 20, 3600)
    delay = DecodeTimes.delay_for(shown[:34])
    assert all_times(delay, shown) == [pts - delay for pts in sorted(shown)]


def test_a_long_pause_does_not_decode_a_frame_after_it_is_shown() -> None:
    shown = in_groups([0, 3, 1, 2], 15, 3600)
    last = max(shown)
    shown += [last + 400_000, last + 100_000, last + 200_000]  # a slide show from here on
    times = all_times(DecodeTimes.delay_for(shown[:34]), shown)
    assert all(dts <= pts for dts, pts in zip(times, shown, strict=True))
    assert all(a < b for a, b in pairwise(times))


def test_two_frames_at_one_time_can_not_be_sorted() -> None:
    with pytest.raises(Unsortable):
        all_times(0, [0, 1, 1, 1, 2])


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=150), st.randoms(use_true_random=False))
def test_any_rate_and_order(gaps: list[int], random: object) -> None:
    shown, at = [], 0
    for gap in gaps:
        shown.append(at * 1000)
        at += gap
    # Shuffle within short groups, as an encoder reorders.
    groups = [shown[n : n + 6] for n in range(0, len(shown), 6)]
    for group in groups:
        random.shuffle(group)  # type: ignore[attr-defined]
    order = [pts for group in groups for pts in group]
    times = all_times(max(DecodeTimes.delay_for(order), 6), order)
    assert all(dts <= pts for dts, pts in zip(times, order, strict=True))
    assert all(a < b for a, b in pairwise(times))


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=150), st.randoms(use_true_random=False))
def test_times_made_from_all_frames_exist_for_any_order(gaps: list[int], random: object) -> None:
    shown = list(accumulate(gaps))
    random.shuffle(shown)  # type: ignore[attr-defined]
    times = decode_times(shown, 40)
    assert len(times) == len(shown)
    assert all(dts <= pts for dts, pts in zip(times, shown, strict=True))
    assert all(a < b for a, b in pairwise(times))


def test_times_made_from_all_frames_are_those_of_an_encoder() -> None:
    shown = in_groups([0, 4, 2, 1, 3], 3, 40)
    assert decode_times(shown, 40) == [pts - 80 for pts in sorted(shown)]
    assert decode_times(sorted(shown), 40) == sorted(shown)
    assert decode_times([], 40) == []
