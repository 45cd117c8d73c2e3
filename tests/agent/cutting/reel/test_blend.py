"""Frames of two parts, mixed in their own format."""

from __future__ import annotations

import io
from fractions import Fraction

import av
import numpy as np
import pytest

from agent.cutting.plan.outcome import Unsuited
from agent.cutting.reel.blend import Pixels, transition

FORMATS = ("yuv420p", "yuvj420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le")


def frame(format_: str, level: int, width: int = 38, height: int = 22) -> av.VideoFrame:
    """A frame of one colour; its width needs padding."""
    made = av.VideoFrame(width, height, format_)
    wide = made.format.components[0].bits > 8
    for plane in made.planes:
        rows = np.full((plane.height, plane.line_size // (1 + wide)), level, "<u2" if wide else np.uint8)
        plane.update(rows.tobytes())
    made.pts, made.time_base = 0, Fraction(1, 25)
    return made


@pytest.mark.parametrize("format_", FORMATS)
def test_frames_survive_every_way(format_: str) -> None:
    pixels = Pixels.of(frame(format_, 90))
    again = Pixels.of(pixels.frame())
    read = Pixels.read(io.BytesIO(pixels.to_bytes()), format_, 38, 22)
    for other in (again, read):
        assert other.format == format_
        assert all(np.array_equal(a, b) for a, b in zip(pixels.planes, other.planes, strict=True))
    assert next(plane.shape for plane in pixels.planes) == (22, 38)


@pytest.mark.parametrize("format_", FORMATS)
def test_a_mix_is_between_both(format_: str) -> None:
    one, other = Pixels.of(frame(format_, 40)), Pixels.of(frame(format_, 200))
    mixed = one.mixed(other, 0.25)
    assert all((plane == 80).all() for plane in mixed.planes)
    assert all(a.dtype == b.dtype for a, b in zip(one.planes, mixed.planes, strict=True))


@pytest.mark.parametrize(
    ("format_", "full", "luma", "chroma"),
    [
        ("yuv420p", False, 16, 128),
        ("yuvj420p", True, 0, 128),
        ("yuv420p10le", False, 64, 512),
    ],
)
def test_black_is_the_black_of_the_format(format_: str, full: bool, luma: int, chroma: int) -> None:
    black = Pixels.of(frame(format_, 200)).darkened(1.0, full_range=full)
    assert [int(plane[0, 0]) for plane in black.planes] == [luma, chroma, chroma]


def test_a_dissolve_changes_evenly_and_has_neither_part_alone() -> None:
    tail, head = [Pixels.of(frame("yuv420p", 50))] * 4, [Pixels.of(frame("yuv420p", 150))] * 4
    found = [int(p.planes[0][0, 0]) for p in transition("dissolve", tail, head, count=4, full_range=False)]
    assert found == [70, 90, 110, 130]


def test_a_fade_goes_through_black() -> None:
    tail, head = [Pixels.of(frame("yuv420p", 116))] * 4, [Pixels.of(frame("yuv420p", 216))] * 4
    found = [int(p.planes[0][0, 0]) for p in transition("fade", tail, head, count=4, full_range=False)]
    assert found == [96, 76, 56, 36, 56, 96, 136, 176]


@pytest.mark.parametrize("format_", ["rgb24", "gray", "yuyv422", "nv12", "yuva420p"])
def test_other_formats_are_refused(format_: str) -> None:
    with pytest.raises(Unsuited, match=format_):
        Pixels.of(frame(format_, 1) if format_ != "rgb24" else av.VideoFrame(16, 16, format_))
