"""Scale a window of a frame to the size of the clip, at sub-pixel positions."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from PIL import Image

from agent.cutting.effects.keyframes import Window
from agent.cutting.effects.planes import Plane, Planes

_SUPPORT = 3
"""Pixels that Pillow's Lanczos filter reaches on each side, at a scale of 1 or less."""


class _Reach(NamedTuple):
    """The whole pixels of a plane that a window's filter reads; they may lie outside of the plane."""

    left: int
    top: int
    right: int
    bottom: int


def cropped(planes: Planes, window: Window, target: tuple[int, int]) -> Planes:
    """A new frame of `target` (width, height; even): `window`, which is inside the frame, by Lanczos.

    A window may begin and end between pixels, so that a slow move does not jitter. Beyond the border the
    outermost pixels are repeated. The new planes are writable.
    """
    small = target[0] // 2, target[1] // 2
    chroma = _in_chroma(window, target)
    return Planes(
        _resized(planes.y, window, target),
        _resized(planes.u, chroma, small),
        _resized(planes.v, chroma, small),
    )


def needed(window: Window, target: tuple[int, int]) -> Window:
    """The part of the frame that `cropped` reads, which can exceed the frame. Effects can omit the rest."""
    luma = _reach(window, target)
    chroma = _reach(_in_chroma(window, target), (target[0] // 2, target[1] // 2))
    left, top = min(luma.left, 2 * chroma.left), min(luma.top, 2 * chroma.top)
    right, bottom = max(luma.right, 2 * chroma.right), max(luma.bottom, 2 * chroma.bottom)
    return Window(left, top, right - left, bottom - top)


def _in_chroma(window: Window, target: tuple[int, int]) -> Window:
    """In pixels of chroma, sited left: its sample i is at luma sample 2i, in the frame and in the clip."""
    scale = window.width / target[0]
    return Window(window.x / 2 + (1 - scale) / 4, window.y / 2, window.width / 2, window.height / 2)


def _reach(window: Window, target: tuple[int, int]) -> _Reach:
    across, down = (
        math.ceil(_SUPPORT * max(1.0, side / wanted)) + 1
        for side, wanted in zip(window[2:], target, strict=True)
    )
    return _Reach(
        math.floor(window.x) - across,
        math.floor(window.y) - down,
        math.ceil(window.x + window.width) + across,
        math.ceil(window.y + window.height) + down,
    )


def _resized(plane: Plane, window: Window, target: tuple[int, int]) -> Plane:
    reach = _reach(window, target)
    height, width = plane.shape
    region = plane[max(reach.top, 0) : reach.bottom, max(reach.left, 0) : reach.right]
    beyond = (
        (max(-reach.top, 0), max(reach.bottom - height, 0)),
        (max(-reach.left, 0), max(reach.right - width, 0)),
    )
    if any(map(any, beyond)):  # Pillow itself would give the pixels at the border more weight
        region = np.pad(region, beyond, mode="edge")
    left, top = window.x - reach.left, window.y - reach.top
    box = (left, top, left + window.width, top + window.height)
    image = Image.fromarray(np.ascontiguousarray(region))
    return np.array(image.resize(target, Image.Resampling.LANCZOS, box=box))
