"""The benchmarks' measurements: each detects the fault that it measures."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from bench.measure.align import by_number, by_thumbnail, requested_frames
from bench.measure.audio_sync import compare_audio
from bench.measure.decode import THUMB, Audio, Video
from bench.measure.judge import Seen, faults, order_faults
from bench.measure.points import cuts
from bench.measure.strip import draw, read
from bench.measure.ticks import find_ticks, ticking

FRAME = Fraction(1, 25)
RATE = 16000


def video(marks: list[object], start: Fraction = Fraction(0)) -> Video:
    return Video(tuple(start + n * FRAME for n in range(len(marks))), tuple(marks), (), 0, 0)


def thumbnails(count: int) -> list[object]:
    dice = np.random.default_rng(3)
    return list(dice.integers(0, 255, (count, THUMB * THUMB), np.uint8))


def track(start: float, samples: np.ndarray) -> Audio:
    return Audio(start, RATE, samples.astype(np.float32), 0.0)


@pytest.mark.parametrize("number", [0, 1, 777, (1 << 14) - 1])
@pytest.mark.parametrize("size", [(360, 640), (576, 720)])
def test_a_number_is_read_back_through_noise(number: int, size: tuple[int, int]) -> None:
    luma = np.full(size, 120, np.uint8)
    draw(luma, number)
    noisy = luma + np.random.default_rng(number).normal(0, 20, size)
    assert read(np.clip(noisy, 0, 255).astype(np.uint8)) == number


def test_a_damaged_number_is_not_read() -> None:
    luma = np.full((360, 640), 120, np.uint8)
    draw(luma, 777)
    assert read(255 - luma) is None


def test_ticks_are_found_at_their_times() -> None:
    found = find_ticks(ticking(5, 48000)[4800:], 48000)
    assert found == pytest.approx([0.9, 1.9, 2.9, 3.9], abs=1e-4)


def test_frames_are_matched_by_their_numbers() -> None:
    source = video([10, 11, 12, 13, 14])
    align = by_number(source, video([12, 12, None, 11]))
    assert align.shown == (2, 2, None, 1)
    assert order_faults(align.shown) == (0, 1, 1)


def test_frames_are_matched_by_thumbnail_whatever_the_report_claims() -> None:
    marks = thumbnails(60)
    align = by_thumbnail(video(marks), video(marks[20:40]), claimed=FRAME * 30)
    assert align.shown == tuple(range(20, 40))
    assert align.offset == pytest.approx(float(FRAME * 20))
    assert align.sure


def test_a_duplicate_frame_is_detected_by_thumbnail() -> None:
    marks = thumbnails(60)
    doubled = video([marks[20], *marks[20:39]])
    shown = by_thumbnail(video(marks), doubled, claimed=FRAME * 20).shown
    assert None in shown


def test_a_change_of_brightness_does_not_prevent_a_match() -> None:
    marks = thumbnails(60)
    darker = [(np.asarray(m) * 0.6 + 16).astype(np.uint8) for m in marks[20:40]]
    assert by_thumbnail(video(marks), video(darker), claimed=FRAME * 20).shown == tuple(range(20, 40))


def test_the_claim_is_used_for_a_static_recording_and_marked_unsure() -> None:
    still = [thumbnails(1)[0]] * 60
    align = by_thumbnail(video(still), video(still[:20]), claimed=FRAME * 30)
    assert align.shown == tuple(range(30, 50))
    assert not align.sure


def test_the_requested_range_is_half_open_and_never_empty() -> None:
    source = video(thumbnails(10))
    assert requested_frames(source, FRAME * 2, FRAME * 5) == range(2, 5)
    assert requested_frames(source, FRAME * 2 + Fraction(1, 1000), FRAME * 2 + Fraction(2, 1000)) == range(
        2, 3
    )


@pytest.mark.parametrize("late", [-0.05, 0.0, 0.03])
@pytest.mark.parametrize("ticks", [True, False])
def test_late_audio_is_measured(late: float, ticks: bool) -> None:
    noise = np.random.default_rng(5).normal(0, 0.2, RATE * 10)
    samples = ticking(10, RATE) if ticks else noise
    part = samples[RATE * 2 : RATE * 8]
    sync = compare_audio(track(0, samples), track(late, part), 2.0, (2.0, 8.0, 8.0), ticking=ticks)
    assert sync.off == pytest.approx(late * 1000, abs=0.5)


def test_audio_that_ends_early_is_reported_missing() -> None:
    samples = ticking(10, RATE)
    sync = compare_audio(track(0, samples), track(0, samples[: RATE * 3]), 0.0, (0.0, 5.0, 5.0), ticking=True)
    assert sync.missing == pytest.approx(2000)


def test_every_fault_is_reported() -> None:
    good = Seen(
        requested=10,
        promised=10,
        shown=10,
        first=0,
        last=0,
        skipped=0,
        doubled=0,
        backward=0,
        unreadable=0,
        misplaced=False,
        uneven_ms=0.0,
        av_ms=0.0,
        missing_ms=0.0,
        over_ms=0.0,
        tracks=1,
        source_tracks=1,
        errors=0,
        index_in_front=True,
        hidden=0,
        sure=True,
        leeway=0,
    )
    assert faults(good) == []
    for change in (
        {"shown": 9},
        {"skipped": 1},
        {"doubled": 1},
        {"backward": 1},
        {"unreadable": 1},
        {"misplaced": True},
        {"uneven_ms": 20.0},
        {"av_ms": -30.0},
        {"missing_ms": 300.0},
        {"tracks": 0},
        {"errors": 1},
    ):
        assert len(faults(replace(good, **change))) == 1, change


def test_the_cuts_are_within_the_recording() -> None:
    times = [n * FRAME for n in range(100)]
    for cut in cuts(times, Fraction(4)):
        assert 0 <= cut.begin < cut.end <= 4
