"""The audio of parts, mixed to the sample."""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.cutting.reel.audio import CHANNELS, RATE, PartAudio, mixed, placed, samples_at
from agent.cutting.reel.layout import Span


def part(folder: Path, samples: int, level: int, name: str = "a") -> Path:
    path = folder / f"{name}.pcm"
    path.write_bytes(np.full((samples, CHANNELS), level, "<i2").tobytes())
    return path


def levels(parts: list[PartAudio]) -> np.ndarray:
    data = np.frombuffer(b"".join(mixed(parts)), "<i2").reshape(-1, CHANNELS)
    assert np.array_equal(data[:, 0], data[:, 1])
    return data[:, 0]


def test_parts_follow_each_other(tmp_path: Path) -> None:
    paths = [part(tmp_path, RATE, 100, "a"), part(tmp_path, RATE, -50, "b")]
    spans = [Span(Fraction(0), Fraction(1)), Span(Fraction(1), Fraction(2))]
    found = levels(placed(paths, spans, Fraction(0)))
    assert len(found) == 2 * RATE
    assert (found[:RATE] == 100).all()
    assert (found[RATE:] == -50).all()


def test_a_dissolve_mixes_both_evenly(tmp_path: Path) -> None:
    paths = [part(tmp_path, RATE, 1000, "a"), part(tmp_path, RATE, 1000, "b")]
    spans = [Span(Fraction(0), Fraction(1)), Span(Fraction(3, 4), Fraction(7, 4))]
    found = levels(placed(paths, spans, Fraction(1, 4)))
    assert len(found) == samples_at(Fraction(7, 4))
    assert abs(found - 1000).max() <= 1  # what one loses the other gains


def test_a_fade_goes_down_and_up(tmp_path: Path) -> None:
    paths = [part(tmp_path, RATE, 1000, "a"), part(tmp_path, RATE, 1000, "b")]
    spans = [Span(Fraction(0), Fraction(1)), Span(Fraction(1), Fraction(2))]
    found = levels(placed(paths, spans, Fraction(1, 4))).astype(int)
    quarter = RATE // 4
    assert (found[: RATE - quarter] == 1000).all()
    assert (np.diff(found[RATE - quarter : RATE]) <= 0).all()
    assert abs(found[RATE - 1]) <= 1
    assert (np.diff(found[RATE : RATE + quarter]) >= 0).all()
    assert (found[RATE + quarter :] == 1000).all()


def test_a_silent_part_is_as_long_as_its_video(tmp_path: Path) -> None:
    paths = [None, part(tmp_path, RATE, 7)]
    spans = [Span(Fraction(0), Fraction(1)), Span(Fraction(1), Fraction(2))]
    found = levels(placed(paths, spans, Fraction(0)))
    assert (found[:RATE] == 0).all()
    assert (found[RATE:] == 7).all()


@pytest.mark.parametrize("samples", [0, 10, RATE - 1, RATE + 5])
def test_a_file_of_another_length_moves_nothing(tmp_path: Path, samples: int) -> None:
    paths = [part(tmp_path, samples, 9, "a"), part(tmp_path, RATE, 7, "b")]
    spans = [Span(Fraction(0), Fraction(1)), Span(Fraction(1), Fraction(2))]
    found = levels(placed(paths, spans, Fraction(0)))
    assert (found[RATE:] == 7).all()
    assert (found[: min(samples, RATE)] == 9).all()
    assert (found[min(samples, RATE) : RATE] == 0).all()


def test_what_is_too_loud_is_limited(tmp_path: Path) -> None:
    paths = [part(tmp_path, RATE, 32_767, "a"), part(tmp_path, RATE, 32_767, "b")]
    whole = Span(Fraction(0), Fraction(1))
    assert (levels(placed(paths, [whole, whole], Fraction(0))) == 32_767).all()


@given(st.lists(st.integers(1, 500), min_size=1, max_size=50), st.sampled_from([24, 25, 30, 60]))
def test_ntsc_frames_never_drift(counts: list[int], rate: int) -> None:
    frame = Fraction(1001, 1000 * rate)
    ends = np.cumsum(counts)
    spans = [Span(int(e - c) * frame, int(e) * frame) for c, e in zip(counts, ends, strict=True)]
    parts = placed([None] * len(spans), spans, Fraction(0))
    assert all(a.end == b.begin for a, b in itertools.pairwise(parts))
    assert abs(parts[-1].end - float(spans[-1].end) * RATE) <= 1
