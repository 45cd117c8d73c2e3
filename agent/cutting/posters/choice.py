"""Which frames a contact sheet shows, how it is laid out, and which of them is the poster. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

GRIDS = (16, 9, 4)
"""Tiles of a full sheet: 4x4, 3x3 or 2x2."""
TILED_PIXELS = 20_000_000
"""How much to decode for a sheet of keyframes, which takes longest: 16 of 1280x720, 9 of 1920x1080."""
DECODED_PIXELS = 100_000_000
"""How much to decode for a sheet of other frames: 48 of 1920x1080."""
ENCODED_PIXELS = 5 * DECODED_PIXELS
"""As `DECODED_PIXELS`, of a clip whose frames were all encoded: that took many times as long, and between two
keyframes there may be 10 s."""
DARK = 24.0
"""Of 255: a frame whose brightness is less on average is nearly black, as in a fade."""
UNIFORM = 12.0
"""A frame whose brightness deviates less from its average shows nearly nothing."""
_COLUMNS = 4


class Look(NamedTuple):
    """The brightness of a frame, from 0 to 255."""

    mean: float
    deviation: float

    @property
    def plain(self) -> bool:
        """Whether the frame shows nothing that one would recognise the clip by."""
        return self.mean < DARK or self.deviation < UNIFORM


def poster_of(looks: Sequence[Look]) -> int:
    """Which of these frames, in the order of time, is the poster: the first that is not plain, otherwise the
    one whose brightness varies most. At least one is given."""
    for index, look in enumerate(looks):
        if not look.plain:
            return index
    return max(range(len(looks)), key=lambda index: looks[index].deviation)


def tiles_of(pixels: int) -> int:
    """The number of tiles for frames of `pixels` pixels: that of the largest grid whose frames are decoded
    fast enough, or those of the smallest one."""
    return next((count for count in GRIDS if count * pixels <= TILED_PIXELS), GRIDS[-1])


def is_walked(frames: float, pixels: int, *, encoded: bool) -> bool:
    """Whether a clip of `frames` frames is small enough to decode all of them, where it has few keyframes.
    `encoded`: whether all of them were encoded for it."""
    return frames * pixels <= (ENCODED_PIXELS if encoded else DECODED_PIXELS)


def middles(length: Fraction, count: int) -> list[Fraction]:
    """The middles of `count` equal parts of a clip."""
    return [length * (2 * number + 1) / (2 * count) for number in range(count)]


def columns_of(count: int) -> int:
    """The number of columns for `count` tiles: as near to square as its rows can be filled."""
    return next((n for n in range(1, _COLUMNS + 1) if n * n >= count), _COLUMNS)


def within(size: tuple[int, int], box: int) -> tuple[int, int]:
    """Width and height of a frame of this size within a square; it is not enlarged."""
    scale = min(1.0, box / max(size))
    return max(2, round(size[0] * scale)), max(2, round(size[1] * scale))
