"""Where the crop window and the highlight are at one time. Pure: no frames are touched."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable
from fractions import Fraction
from itertools import groupby
from typing import NamedTuple, TypeVar

from clipping.contract.effects import CropKeyframe, Framing, HighlightKeyframe, Overlay, Region

Item = TypeVar("Item")

TOLERANCE = 1e-6
"""Seconds by which the time of a frame, n / rate, may miss the end of a region that a caller rounded."""
SMALLEST = 1.0
"""Pixels. A spline between a large and a small window can overshoot to sizes of zero and less."""


class Window(NamedTuple):
    """A rectangle of a frame, in pixels: the top left pixel covers 0 to 1 in both directions."""

    x: float
    y: float
    width: float
    height: float

    def clamped(self, frame_size: tuple[int, int]) -> Window:
        """Moved into the frame; its size changes only where it is larger than the frame."""
        width, height = (
            min(max(side, SMALLEST), frame) for side, frame in zip(self[2:], frame_size, strict=True)
        )
        return Window(
            min(max(self.x, 0.0), frame_size[0] - width),
            min(max(self.y, 0.0), frame_size[1] - height),
            width,
            height,
        )


class CropPath:
    """The crop window over time."""

    def __init__(self, framing: Framing, rate: Fraction) -> None:
        """`rate`: frames per second of the recording, for keyframes that name a frame.

        Raises `ValueError` if there are no keyframes.
        """

        def seconds(keyframe: CropKeyframe) -> float:
            if keyframe.frame is not None:
                return float(keyframe.frame / rate)
            if keyframe.time is None:
                raise ValueError("a keyframe needs time or frame")
            return keyframe.time

        if not framing.keyframes:
            raise ValueError("framing needs at least one keyframe")
        keyframes = _in_order(framing.keyframes, seconds)
        self._times = [time for time, _ in keyframes]
        self._windows = [Window(key.x, key.y, key.width, key.height) for _, key in keyframes]
        self._spline = framing.interpolation == "spline"

    @property
    def static(self) -> Window | None:
        """The window if it never moves. It may still exceed the frame: see `Window.clamped`."""
        first = self._windows[0]
        return first if all(window == first for window in self._windows) else None

    def at(self, time: float, frame_size: tuple[int, int]) -> Window:
        """The window at `time` seconds, inside a frame of `frame_size` (width, height)."""
        return self._interpolated(time).clamped(frame_size)

    def _interpolated(self, time: float) -> Window:
        last = len(self._times) - 1
        index = bisect_right(self._times, time) - 1
        if index < 0 or index == last:
            return self._windows[max(index, 0)]
        start, end = self._times[index : index + 2]
        passed = (time - start) / (end - start)
        before, after = self._windows[index : index + 2]
        if not self._spline:
            return Window(*(linear(*ends, passed) for ends in zip(before, after, strict=True)))
        outer = self._windows[max(index - 1, 0)], self._windows[min(index + 2, last)]
        points = zip(outer[0], before, after, outer[1], strict=True)
        return Window(*(catmull_rom(*four, passed) for four in points))


class Ellipse(NamedTuple):
    """A highlight in one frame. Coordinates are pixels as in `Window`."""

    x: float
    """Of the centre."""
    y: float
    radius_x: float
    radius_y: float
    opacity: float
    """0 to 1."""
    color: tuple[int, int, int]
    """Red, green and blue, 0 to 255."""


class HighlightPath:
    """The highlight over time."""

    def __init__(self, overlay: Overlay) -> None:
        """Raises `ValueError` for a colour that is not `#RRGGBB`."""
        self._tracks = [_Track(region) for region in overlay.regions if region.enabled]

    def at(self, time: float, frame_size: tuple[int, int]) -> Ellipse | None:
        """The highlight at `time` seconds, or None, in a frame of `frame_size` (width, height)."""
        for track in self._tracks:
            if track.start - TOLERANCE <= time <= track.end + TOLERANCE:
                return track.at(time, frame_size)
        return None


class _Track:
    """The keyframes of one region."""

    def __init__(self, region: Region) -> None:
        keyframes = _in_order(region.keyframes, lambda key: key.time)
        self.start, self.end = region.start_time, region.end_time
        self._times = [time for time, _ in keyframes]
        self._ellipses = [_ellipse(key) for _, key in keyframes]
        self._space = region.video_width, region.video_height

    def at(self, time: float, frame_size: tuple[int, int]) -> Ellipse | None:
        if not self._times or time > self._times[-1] + TOLERANCE:
            return None
        index = max(bisect_right(self._times, time + TOLERANCE) - 1, 0)
        ellipse = self._ellipses[index]
        if index + 1 < len(self._times):
            start, end = self._times[index : index + 2]
            passed = max((time - start) / (end - start), 0.0)
            ends = zip(ellipse[:5], self._ellipses[index + 1][:5], strict=True)
            x, y, radius_x, radius_y, opacity = (linear(*pair, passed) for pair in ends)
            ellipse = Ellipse(x, y, radius_x, radius_y, opacity, ellipse.color)
        return _scaled(ellipse, self._space, frame_size)


def linear(start: float, end: float, passed: float) -> float:
    """`passed`: 0 at the start to 1 at the end."""
    return start + (end - start) * passed


def catmull_rom(before: float, start: float, end: float, after: float, passed: float) -> float:
    """The uniform Catmull-Rom spline (tension 0.5) from `start` to `end`; `passed`: 0 to 1."""
    slope = end - before
    bend = 2 * before - 5 * start + 4 * end - after
    twist = 3 * (start - end) + after - before
    return start + passed * (slope + passed * (bend + passed * twist)) / 2


def _in_order(keyframes: Iterable[Item], time: Callable[[Item], float]) -> list[tuple[float, Item]]:
    """By time. Of equal times only the earlier in the list, which would otherwise divide by zero."""
    timed = sorted(((time(keyframe), keyframe) for keyframe in keyframes), key=lambda pair: pair[0])
    return [next(same) for _, same in groupby(timed, key=lambda pair: pair[0])]


def _ellipse(keyframe: HighlightKeyframe) -> Ellipse:
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", keyframe.color):
        raise ValueError(f"color {keyframe.color!r} is not #RRGGBB")
    red, green, blue = bytes.fromhex(keyframe.color[1:])
    numbers = (keyframe.x, keyframe.y, keyframe.radius_x, keyframe.radius_y, keyframe.opacity)
    return Ellipse(*numbers, color=(red, green, blue))


def _scaled(
    ellipse: Ellipse, space: tuple[float | None, float | None], frame_size: tuple[int, int]
) -> Ellipse:
    """In pixels of the frame; `space`: width and height that the coordinates are of."""
    across, down = (frame / side if side else 1.0 for frame, side in zip(frame_size, space, strict=True))
    return Ellipse(
        ellipse.x * across,
        ellipse.y * down,
        max(ellipse.radius_x * across, 0.0),
        max(ellipse.radius_y * down, 0.0),
        min(max(ellipse.opacity, 0.0), 1.0),
        ellipse.color,
    )
