"""How a camera moved between two small frames: shift, zoom and roll. Pure."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Luma = npt.NDArray[np.float32]
_STEPS = 4
_CLOSE = 0.02
"""Pixels: a smaller correction is the last one."""
_LEAST_SEEN = 0.4
"""The part of a frame that must also be in the other."""


class Shift(NamedTuple):
    """Where a pixel of one frame is in the other: (x, y) + move + (zoom, roll) times its place from the
    middle."""

    across: float
    down: float
    zoom: float
    """Pixels at one pixel from the middle, as is `roll`."""
    roll: float

    @property
    def inverse(self) -> Shift:
        """That of the other frame."""
        real, imaginary = 1 + self.zoom, self.roll
        size = real * real + imaginary * imaginary
        return Shift(
            -(real * self.across + imaginary * self.down) / size,
            -(real * self.down - imaginary * self.across) / size,
            real / size - 1,
            -imaginary / size,
        )

    def twice_as_large(self) -> Shift:
        """In frames of twice the size."""
        return self._replace(across=2 * self.across, down=2 * self.down)


SAME = Shift(0, 0, 0, 0)


def shift_between(one: Luma, other: Luma) -> Shift:
    """Where what most pixels of `one` show is in `other`. What moves by itself does not count."""
    halves = _halved(one), _halved(other)
    jump = _whole_pixels(*halves)
    begin = min((SAME, jump), key=lambda shift: _misfit(*halves, shift))
    return _refined(one, other, _refined(*halves, begin, _STEPS).twice_as_large(), 1)


def moved(other: Luma, shift: Shift) -> tuple[Luma, npt.NDArray[np.bool_]]:
    """`other` as the first frame would show it, and which of its pixels are inside of it."""
    height, width = other.shape
    right, below = _from_middle(other.shape)
    x = right * (1 + shift.zoom) - below * shift.roll + ((width - 1) / 2 + shift.across)
    y = below * (1 + shift.zoom) + right * shift.roll + ((height - 1) / 2 + shift.down)
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    np.clip(x, 0, width - 1.001, out=x)
    np.clip(y, 0, height - 1.001, out=y)
    left, top = x.astype(np.int32), y.astype(np.int32)
    x -= left
    y -= top
    at, flat = top * width + left, other.ravel()
    upper, lower = flat[at], flat[at + width]
    upper += (flat[at + 1] - upper) * x
    lower += (flat[at + width + 1] - lower) * x
    return upper + (lower - upper) * y, inside


def slopes_of(luma: Luma) -> tuple[Luma, Luma]:
    """By how much it changes a pixel to the right, and down."""
    return np.gradient(luma, axis=1), np.gradient(luma, axis=0)


def _refined(one: Luma, other: Luma, shift: Shift, steps: int) -> Shift:
    """By least squares, in which pixels that fit badly have little weight."""
    right, below = _from_middle(one.shape)
    across, down = slopes_of(one)
    slopes = np.stack([across, down, across * right + down * below, down * right - across * below], -1)
    slopes = slopes.reshape(-1, 4)
    for _ in range(steps):
        there, inside = moved(other, shift)
        error = (there - one).ravel()
        error -= np.median(error)
        usual = 1.5 * float(np.median(np.abs(error))) + 1
        weights = inside.ravel() / (1 + (error / usual) ** 2) ** 2
        weighted = slopes * weights[:, None].astype(np.float32)
        square = (weighted.T @ slopes).astype(np.float64) + np.diag([1.0, 1.0, 1e3, 1e3])
        step = np.linalg.solve(square, (weighted.T @ error).astype(np.float64))
        shift = Shift(*(value - float(part) for value, part in zip(shift, step, strict=True)))
        if np.abs(step * (1, 1, one.shape[1] / 2, one.shape[1] / 2)).max() < _CLOSE:
            break
    return shift


def _misfit(one: Luma, other: Luma, shift: Shift) -> float:
    there, inside = moved(other, shift)
    if inside.mean() < _LEAST_SEEN:
        return float("inf")
    return float(np.median(np.abs(there - one)[inside]))


def _whole_pixels(one: Luma, other: Luma) -> Shift:
    """By phase correlation."""
    window = np.outer(*(np.hanning(side) for side in one.shape))
    first, second = (np.fft.rfft2((frame - frame.mean()) * window) for frame in (one, other))
    cross = np.conj(first) * second
    size = np.abs(cross)
    peaks = np.fft.irfft2(cross / (size + 1e-3 * size.max() + 1e-6), one.shape)
    place = np.unravel_index(int(np.argmax(peaks)), one.shape)
    down, across = (
        int(at) if at <= side // 2 else int(at) - side for at, side in zip(place, one.shape, strict=True)
    )
    return Shift(across, down, 0, 0)


def _halved(luma: Luma) -> Luma:
    height, width = (side // 2 * 2 for side in luma.shape)
    rows = luma[0:height:2, :width] + luma[1:height:2, :width]
    return (rows[:, 0::2] + rows[:, 1::2]) * np.float32(0.25)


@lru_cache(maxsize=4)
def _from_middle(shape: tuple[int, ...]) -> tuple[Luma, Luma]:
    height, width = shape
    down, across = np.mgrid[0:height, 0:width]
    right, below = across - (width - 1) / 2, down - (height - 1) / 2
    return right.astype(np.float32), below.astype(np.float32)
