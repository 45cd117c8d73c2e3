"""Encodes a frame's number as black and white cells along the frame's top. Pure."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Luma = NDArray[np.uint8]

BITS = 14
"""Bits of the frame number."""
_CHECK_BITS = 4
_CELLS = 2 + BITS + _CHECK_BITS
_BLACK, _WHITE = 24, 220
_SHARE = 10
"""The frame's height is this multiple of the strip's."""


def draw(luma: Luma, number: int) -> None:
    """Draw the number along the top of the frame."""
    height, width = luma.shape
    edges = np.linspace(0, width, _CELLS + 1).astype(int)
    for cell, lit in enumerate(_cells(number)):
        luma[: height // _SHARE, edges[cell] : edges[cell + 1]] = _WHITE if lit else _BLACK


def read(luma: Luma) -> int | None:
    """The number, or None when the strip is damaged or missing."""
    height, width = luma.shape
    rows = luma[height // _SHARE // 4 : height // _SHARE * 3 // 4]
    edges = np.linspace(0, width, _CELLS + 1)
    lit = []
    for left, right in pairwise(edges):
        quarter = (right - left) / 4
        lit.append(bool(rows[:, int(left + quarter) : int(right - quarter)].mean() > (_BLACK + _WHITE) / 2))
    number = sum(1 << (BITS - 1 - place) for place, bit in enumerate(lit[2 : 2 + BITS]) if bit)
    return number if lit == _cells(number) else None


def _cells(number: int) -> list[bool]:
    number %= 1 << BITS
    check = (number * 7 + (number >> 5) * 3 + 5) % (1 << _CHECK_BITS)
    bits = [bool(number >> place & 1) for place in reversed(range(BITS))]
    return [True, False, *bits, *(bool(check >> place & 1) for place in reversed(range(_CHECK_BITS)))]
