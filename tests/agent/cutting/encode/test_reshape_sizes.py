"""The size, crop and padding of reshaped frames: libavfilter itself applies the filters to a single frame."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import av.filter
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.cutting.encode.reshape import shaped
from clipping.contract.choices import Aspect, Fit
from clipping.contract.output import MAX_SIDE, MIN_SIDE, Output

WHITE, BLACK = 235, 16
SIDES = st.integers(32, 400)
EVEN = st.integers(MIN_SIDE // 2, 200).map(lambda half: 2 * half)
PIXELS = st.sampled_from([Fraction(1), Fraction(8, 9), Fraction(16, 15), Fraction(4, 3), Fraction(2)])
FITS = st.sampled_from(["center_crop", "letterbox", "blur"])


@dataclass(frozen=True)
class Source:
    width: int
    height: int
    sample_aspect: Fraction = Fraction(1)

    @property
    def aspect(self) -> Fraction:
        return self.width * self.sample_aspect / self.height


SOURCES = st.builds(Source, SIDES, SIDES, PIXELS)


class Chain:
    """A stream of a real filter graph, with the methods of ffmpeg-python's streams that `shaped` calls."""

    def __init__(
        self, graph: av.filter.Graph, node: Any, pad: int = 0, names: list[str] | None = None
    ) -> None:
        self.graph, self.node, self.pad = graph, node, pad
        self.names = [] if names is None else names

    def filter(self, name: str, *values: Any, **options: Any) -> Chain:
        node = self._add(name, *values, **options)
        self.node.link_to(node, self.pad)
        return Chain(self.graph, node, names=self.names)

    def split(self) -> list[Chain]:
        node = self._add("split")
        self.node.link_to(node, self.pad)
        return [Chain(self.graph, node, pad, self.names) for pad in range(2)]

    def overlay(self, before: Chain, **options: Any) -> Chain:
        node = self._add("overlay", **options)
        self.node.link_to(node, self.pad)
        before.node.link_to(node, before.pad, 1)
        return Chain(self.graph, node, names=self.names)

    def _add(self, name: str, *values: Any, **options: Any) -> Any:
        self.names.append(name)
        given = [f"'{value}'" for value in values] + [f"{key}='{value}'" for key, value in options.items()]
        return self.graph.add(name, ":".join(given) or None)


def reshape(
    source: Source, output: Output, pixels: np.ndarray | None = None
) -> tuple[av.VideoFrame, list[str]]:
    """One reshaped frame of `source` (white unless `pixels` says otherwise), and the filters that made it."""
    if pixels is None:
        pixels = np.full((source.height, source.width), WHITE, np.uint8)
    frame = av.VideoFrame.from_ndarray(pixels, format="gray").reformat(
        format="yuv444p", dst_color_range="MPEG"
    )
    frame.planes[0].update(padded(pixels, frame.planes[0].line_size))
    graph = av.filter.Graph()
    graph.threads = 1
    sar = source.sample_aspect
    begin = graph.add_buffer(
        width=source.width, height=source.height, format=frame.format, time_base=Fraction(1, 25)
    )
    entry = Chain(graph, begin).filter("setsar", f"{sar.numerator}/{sar.denominator}")
    end = shaped(entry, output, {"out_range": "tv"})
    end.node.link_to(graph.add("buffersink"), end.pad)
    graph.configure()
    frame.pts = 0
    graph.push(frame)
    graph.push(None)
    shown = graph.pull()
    assert isinstance(shown, av.VideoFrame)
    return shown, end.names


def padded(pixels: np.ndarray, line_size: int) -> bytes:
    lines = np.zeros((pixels.shape[0], line_size), np.uint8)
    lines[:, : pixels.shape[1]] = pixels
    return lines.tobytes()


def luma(frame: av.VideoFrame) -> np.ndarray:
    return frame.to_ndarray()[: frame.height, : frame.width].astype(int)


def lit(frame: av.VideoFrame) -> tuple[int, int, int, int]:
    """Left, right, top and bottom (exclusive) of the white part."""
    bright = luma(frame) > (WHITE + BLACK) // 2
    columns, rows = np.flatnonzero(bright.any(axis=0)), np.flatnonzero(bright.any(axis=1))
    return int(columns[0]), int(columns[-1]) + 1, int(rows[0]), int(rows[-1]) + 1


@settings(max_examples=40, deadline=None)
@given(SOURCES, EVEN, EVEN, FITS)
def test_every_fit_gives_exactly_the_requested_size(
    source: Source, width: int, height: int, fit: Fit
) -> None:
    frame, _ = reshape(source, Output(width=width, height=height, fit=fit))
    assert (frame.width, frame.height) == (width, height)
    assert frame.format.name == "yuv420p"


@pytest.mark.parametrize("size", [(MAX_SIDE, MIN_SIDE), (MIN_SIDE, MAX_SIDE)])
@pytest.mark.parametrize("fit", ["center_crop", "letterbox", "blur"])
def test_an_extreme_aspect_can_be_made_from_a_small_frame(size: tuple[int, int], fit: Fit) -> None:
    frame, _ = reshape(Source(64, 64), Output(width=size[0], height=size[1], fit=fit))
    assert (frame.width, frame.height) == size


@settings(max_examples=40, deadline=None)
@given(SOURCES, EVEN, EVEN)
def test_a_letterbox_keeps_the_aspect_and_touches_two_edges(source: Source, width: int, height: int) -> None:
    frame, _ = reshape(source, Output(width=width, height=height, fit="letterbox"))
    left, right, top, bottom = lit(frame)
    assert (left, right) == (0, width) or (top, bottom) == (0, height)
    # The shorter side is rounded to an even number; half of a bar may lie on either side.
    assert abs((right - left) - min(width, height * source.aspect)) <= 2
    assert abs((bottom - top) - min(height, width / source.aspect)) <= 2
    assert abs(left - (width - right)) <= 2
    assert abs(top - (height - bottom)) <= 2


@settings(max_examples=40, deadline=None)
@given(SOURCES, EVEN, EVEN)
def test_a_crop_is_centred_and_no_larger_than_needed(source: Source, width: int, height: int) -> None:
    across = np.tile(np.linspace(BLACK, WHITE, source.width), (source.height, 1))
    down = np.tile(np.linspace(BLACK, WHITE, source.height), (source.width, 1)).T
    aspect = Fraction(width, height)
    output = Output(width=width, height=height, fit="center_crop")
    for ramp, side, kept in (
        (across, source.width, min(Fraction(1), aspect / source.aspect)),
        (down, source.height, min(Fraction(1), source.aspect / aspect)),
    ):
        shown = luma(reshape(source, output, np.round(ramp).astype(np.uint8))[0])
        step = (WHITE - BLACK) / (side - 1)
        assert abs(shown.mean() - (WHITE + BLACK) / 2) <= step + 1.5
        assert shown.max() - shown.min() <= (WHITE - BLACK) * kept + 2 * step + 3


@pytest.mark.parametrize(
    ("asked", "size"),
    [
        ({"width": 160}, (160, 90)),
        ({"height": 90}, (160, 90)),
        ({"width": 18}, (18, 10)),
        ({"width": 320}, (320, 180)),
        ({}, (640, 360)),
    ],
)
def test_one_side_gives_the_other(asked: dict[str, Any], size: tuple[int, int]) -> None:
    frame, _ = reshape(Source(640, 360), Output(**asked))
    assert (frame.width, frame.height) == size


@settings(max_examples=40, deadline=None)
@given(SOURCES, EVEN, st.sampled_from(["width", "height"]))
def test_one_side_keeps_the_aspect_and_both_are_even(source: Source, side: int, name: str) -> None:
    frame, _ = reshape(source, Output(**{name: side}))
    assert getattr(frame, name) == side
    other, exact = (
        (frame.height, side / source.aspect) if name == "width" else (frame.width, side * source.aspect)
    )
    assert other % 2 == 0
    assert abs(other - max(2, exact)) <= 1


@settings(max_examples=30, deadline=None)
@given(SOURCES)
def test_without_a_size_pixels_become_square_and_sides_even(source: Source) -> None:
    frame, _ = reshape(source, Output())
    assert (frame.width % 2, frame.height % 2) == (0, 0)
    assert 0 <= source.width * source.sample_aspect - frame.width < 2
    assert 0 <= source.height - frame.height < 2


@given(
    st.sampled_from(["9:16", "16:9", "1:1", "4:5"]), st.sampled_from(["width", "height", None]), EVEN, FITS
)
@settings(max_examples=20, deadline=None)
def test_an_aspect_gives_the_size_that_its_output_names(
    aspect: Aspect, side: str | None, pixels: int, fit: Fit
) -> None:
    output = Output(aspect=aspect, fit=fit, **({side: pixels} if side else {"width": 54}))
    frame, _ = reshape(Source(96, 64), output)
    assert (frame.width, frame.height) == output.size


def test_an_unnamed_fit_crops() -> None:
    size = {"width": 64, "height": 64}
    names = reshape(Source(96, 64), Output(**size))[1]
    assert names == reshape(Source(96, 64), Output(**size, fit="center_crop"))[1]
    assert "crop" in names
    assert "pad" not in names


def test_bars_are_black_and_a_blurred_background_is_not() -> None:
    corners = {
        fit: luma(reshape(Source(96, 64), Output(width=64, height=96, fit=fit))[0])[0, 0]
        for fit in ("letterbox", "blur")
    }
    assert corners["letterbox"] == BLACK
    assert corners["blur"] > WHITE - 10
