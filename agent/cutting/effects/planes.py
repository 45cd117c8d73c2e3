"""A frame as three planes, the colours of BT.709 in limited range, and parts of a frame."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.float32]

Value = TypeVar("Value", float, npt.NDArray[np.float32], npt.NDArray[np.float64])

RED, GREEN, BLUE = 0.2126, 0.7152, 0.0722
"""Weights of BT.709 luma (ITU-R BT.709-6, 3.2)."""
_CB, _CR = 2 * (1 - BLUE), 2 * (1 - RED)
_LUMA, _CHROMA = 219 / 255, 224 / 255
"""Codes of limited range per code of full range."""
STRIP = 64
"""Rows of luma that are processed at a time, so that floats stay in the processor's cache. Even."""


class Planes(NamedTuple):
    """A frame: 8-bit limited-range BT.709 yuv420p with square pixels, chroma sited left."""

    y: Plane
    """Height x width."""
    u: Plane
    """Half of both, rounded up."""
    v: Plane

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.y.shape[1], self.y.shape[0]

    def part(self, area: Area) -> Planes:
        """Views of what lies in `area`, fewer pixels than that where it ends beyond the frame."""
        chroma = area.halved()
        return Planes(self.y[area.slices], self.u[chroma.slices], self.v[chroma.slices])


class Area(NamedTuple):
    """A rectangle of whole pixels of luma. Left and top are even; the ends are exclusive."""

    left: int
    top: int
    right: int
    bottom: int

    @classmethod
    def around(cls, left: float, top: float, right: float, bottom: float) -> Area:
        """The smallest area with four even sides that contains a rectangle."""
        start, end = (2 * math.floor(left / 2), 2 * math.floor(top / 2)), (right / 2, bottom / 2)
        return cls(*start, 2 * math.ceil(end[0]), 2 * math.ceil(end[1]))

    def within(self, other: Area) -> Area:
        """What both contain; an empty area where they do not meet."""
        return Area(
            max(self.left, other.left),
            max(self.top, other.top),
            min(self.right, other.right),
            min(self.bottom, other.bottom),
        )

    @property
    def empty(self) -> bool:
        return self.right <= self.left or self.bottom <= self.top

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def halved(self) -> Area:
        """The same area in pixels of chroma."""
        return Area(self.left // 2, self.top // 2, -(-self.right // 2), -(-self.bottom // 2))

    def moved(self, left: int, top: int) -> Area:
        """The same area, counted from another origin."""
        return Area(self.left - left, self.top - top, self.right - left, self.bottom - top)

    def strips(self) -> Iterator[Area]:
        """The area in parts of `STRIP` rows."""
        for top in range(self.top, self.bottom, STRIP):
            yield self._replace(top=top, bottom=min(top + STRIP, self.bottom))


def from_rgb(red: Value, green: Value, blue: Value) -> tuple[Value, Value, Value]:
    """Y, Cb and Cr in limited range, not rounded, of R'G'B' from 0 to 255."""
    luma = RED * red + GREEN * green + BLUE * blue
    return (
        16 + _LUMA * luma,
        128 + _CHROMA / _CB * (blue - luma),
        128 + _CHROMA / _CR * (red - luma),
    )


def chroma_in_rgb(cb: Mask, cr: Mask) -> tuple[Mask, Mask, Mask]:
    """What chroma adds to red, green and blue, from 0 to 255."""
    red: Mask = (cr - 128) * np.float32(_CR / _CHROMA)
    blue: Mask = (cb - 128) * np.float32(_CB / _CHROMA)
    green: Mask = red * np.float32(-RED / GREEN) - blue * np.float32(BLUE / GREEN)
    return red, green, blue


def luma_in_rgb(y: Mask) -> Mask:
    """The grey of luma, from 0 to 255."""
    return (y - 16) / np.float32(_LUMA)


def halved(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The mean of each 2 x 2 values; both sides are even."""
    rows = values[0::2] + values[1::2]
    mean: npt.NDArray[Any] = (rows[:, 0::2] + rows[:, 1::2]) * values.dtype.type(0.25)
    return mean
