"""What surrounds a highlight: a scaled or a blurred copy of a part of a frame."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from agent.cutting.effects.planes import Area, Mask, Plane, Planes

SIGMA = 15.0
"""Of the blur, in pixels of a frame of 1080 rows."""
_REACH = 3.0
"""Sigmas that the blur reaches on each side."""
_BLACK, _GREY = 16, 128


def scaled(planes: Planes, area: Area, factor: float) -> Planes:
    """A copy of `area`, `factor` times as bright."""
    luma, chroma = _table(factor, _BLACK), _table(factor, _GREY)
    part = planes.part(area)
    return Planes(_mapped(part.y, luma), _mapped(part.u, chroma), _mapped(part.v, chroma))


def blurred(planes: Planes, area: Area, scale: float) -> Planes:
    """A copy of `area` behind a Gaussian blur; `scale`: of its radius, 1 for a frame of 1080 rows."""
    sigma, chroma = SIGMA * scale, area.halved()
    return Planes(
        _blurred(planes.y, area, sigma),
        _blurred(planes.u, chroma, sigma / 2),
        _blurred(planes.v, chroma, sigma / 2),
    )


def _table(factor: float, zero: int) -> list[int]:
    codes = zero + (np.arange(256) - zero) * factor
    return [int(code) for code in np.clip(np.rint(codes), 0, 255)]


def _mapped(plane: Plane, table: list[int]) -> Plane:
    # Not `np.take`: it would make an index of eight bytes per pixel.
    return np.array(Image.fromarray(np.ascontiguousarray(plane)).point(table))


def _blurred(plane: Plane, area: Area, sigma: float) -> Plane:
    """Blurred at a quarter of the size, at half of it or at its own for small radii."""
    shrink = next((factor for factor in (4, 2) if sigma >= 1.5 * factor), 1)
    height, width = plane.shape
    reach = math.ceil(_REACH * sigma / shrink)
    margin = reach + 1  # the enlargement reads one more
    # On the grid of the shrunk frame, or the background would shimmer under a moving crop.
    starts = (side // shrink - margin for side in area[:2])
    ends = (-(-side // shrink) + margin for side in area[2:])
    left, top, right, bottom = (shrink * side for side in (*starts, *ends))
    region = plane[max(top, 0) : bottom, max(left, 0) : right]
    beyond = (max(-top, 0), max(bottom - height, 0)), (max(-left, 0), max(right - width, 0))
    if any(map(any, beyond)):
        region = np.pad(region, beyond, mode="edge")
    small = np.asarray(Image.fromarray(np.ascontiguousarray(region)).reduce(shrink), np.float32)
    # Shrinking and the linear enlargement blur as well.
    own = (shrink**2 - 1) / 12 + shrink**2 / 6 if shrink > 1 else 0.0
    kernel = _kernel(math.sqrt(sigma**2 - own) / shrink, reach)
    small = _smoothed(_smoothed(small, kernel).T, kernel).T
    # In sixteen bits: two roundings to eight would be visible as bands in a smooth background.
    codes = np.rint(small * 256).astype(np.uint16)
    size = min(area.right, width) - area.left, min(area.bottom, height) - area.top
    x, y = (area.left - left) / shrink - reach, (area.top - top) / shrink - reach
    box = (x, y, x + size[0] / shrink, y + size[1] / shrink)
    enlarged = np.array(Image.fromarray(codes).resize(size, Image.Resampling.BILINEAR, box=box))
    enlarged += 128
    enlarged >>= 8
    return enlarged.astype(np.uint8)


def _kernel(sigma: float, reach: int) -> list[float]:
    """Weights of a Gaussian at 0 to `reach` pixels; their sum over both sides is 1."""
    weights = np.exp(-(np.arange(reach + 1) ** 2) / (2 * sigma**2))
    return [float(weight) for weight in weights / (2 * weights.sum() - weights[0])]


def _smoothed(values: Mask, kernel: list[float]) -> Mask:
    """The rows, without the pixels at both ends that the kernel cannot reach around."""
    reach = len(kernel) - 1
    rows = values.shape[0] - 2 * reach
    total: Mask = values[reach : reach + rows] * np.float32(kernel[0])
    both = np.empty_like(total)
    for distance, weight in enumerate(kernel[1:], 1):
        np.add(values[reach - distance :][:rows], values[reach + distance :][:rows], out=both)
        both *= np.float32(weight)
        total += both
    return total
