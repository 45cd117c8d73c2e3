"""Stills are exact; strips hold keyframes at their times."""

from __future__ import annotations

import io
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from agent.cutting.preview import Previews, Strip
from agent.cutting.reading.source import open_path
from clipping.errors import InvalidRequest, SourceHasNoVideo
from tests.agent.cutting.preview.recordings import COPIED, ENCODED, ONLY_AUDIO, reference
from tests.support.media import HEIGHT, WIDTH, Recording, make

_ALL = COPIED | ENCODED
_BITS = 16


def number_in(image: Image.Image) -> int:
    """As `tests.support.media.number_of`, of an image of any size."""
    luma = np.asarray(image.convert("L"), np.float64)
    block = image.width / _BITS
    row = luma[int(image.height * 0.95)]
    lit = [row[int((n + 0.3) * block) : int((n + 0.7) * block)].mean() > 126 for n in range(_BITS)]
    return sum(1 << n for n, bit in enumerate(lit) if bit)


@pytest.mark.parametrize("recording", _ALL.values(), ids=_ALL)
def test_the_still_is_the_frame_that_is_shown(previews: Previews, recording: Recording) -> None:
    path = make(recording)
    frames = reference(path)
    times = sorted(frames)
    with open_path(path) as source:
        for at in (0, 1, 99, 100, 101, len(times) - 1):
            following = times[at + 1] if at + 1 < len(times) else times[at] + Fraction(1, 25)
            for t in (times[at], (times[at] + following) / 2):
                still = previews.still(source, max(t, Fraction(0)), 2160)
                assert number_in(Image.open(io.BytesIO(still.jpeg))) == frames[times[at]]
                assert still.time == times[at]
    assert (still.width, still.height) == (WIDTH, HEIGHT)


def test_a_still_is_scaled(previews: Previews) -> None:
    with open_path(make(COPIED["MKV"])) as source:
        still = previews.still(source, Fraction(3), 100)
    assert Image.open(io.BytesIO(still.jpeg)).size == (still.width, still.height) == (160, 100)


@pytest.mark.parametrize("recording", _ALL.values(), ids=_ALL)
def test_a_strip_names_what_it_shows(previews: Previews, recording: Recording) -> None:
    path = make(recording)
    frames = reference(path)
    with open_path(path) as source:
        strip = previews.strip(source, Fraction(0), Fraction(12), 12, 100)
    image = Image.open(io.BytesIO(strip.jpeg))
    assert len(strip.times) >= 2
    for number, time in enumerate(strip.times):
        left, top = number % strip.columns * strip.width, number // strip.columns * strip.height
        tile = image.crop((left, top, left + strip.width, top + strip.height))
        assert number_in(tile) == frames[min(frames, key=lambda t: abs(t - time))]


def test_the_webvtt_names_each_tile() -> None:
    times = (Fraction(0), Fraction(5, 2), Fraction(3601))
    strip = Strip(b"", times, columns=2, width=160, height=90, end=Fraction(3700))
    assert strip.webvtt("strip.jpg?n=3").splitlines() == [
        "WEBVTT",
        "",
        "00:00:00.000 --> 00:00:02.500",
        "strip.jpg?n=3#xywh=0,0,160,90",
        "",
        "00:00:02.500 --> 01:00:01.000",
        "strip.jpg?n=3#xywh=160,0,160,90",
        "",
        "01:00:01.000 --> 01:01:40.000",
        "strip.jpg?n=3#xywh=0,90,160,90",
    ]


def test_audio_has_no_still(previews: Previews) -> None:
    with open_path(make(ONLY_AUDIO)) as source, pytest.raises(SourceHasNoVideo):
        previews.still(source, Fraction(1), 100)


@pytest.mark.parametrize(("n", "h", "field"), [(0, 90, "n"), (201, 90, "n"), (3, 8, "h"), (3, 5000, "h")])
def test_sizes_are_bounded(previews: Previews, n: int, h: int, field: str) -> None:
    with open_path(make(COPIED["MKV"])) as source, pytest.raises(InvalidRequest) as error:
        previews.strip(source, Fraction(0), Fraction(5), n, h)
    assert error.value.field == field
