"""The effects in 64-bit floats, straight from their formulas, whole frames at a time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from agent.cutting.effects.keyframes import Ellipse, Window
from agent.cutting.effects.planes import Plane, Planes

Floats = npt.NDArray[np.float64]
ZEROS = (16.0, 128.0, 128.0)


def frame(width: int, height: int, seed: int = 1) -> Planes:
    """Gradients, hard edges, fine noise and saturated colours, within the limited range."""
    random = np.random.default_rng(seed)

    def plane(columns: int, rows: int, low: int, high: int) -> Plane:
        x, y = np.meshgrid(np.arange(columns) / columns, np.arange(rows) / rows)
        waves = np.sin(9 * x + 4 * y) + np.sin(23 * x * y + 2) + np.sign(np.sin(40 * x) * np.sin(31 * y))
        codes = (low + high) / 2 + waves / 6 * (high - low) + random.normal(0, 6, (rows, columns))
        codes[x + y < 0.7] = (low + high) // 3  # a part that is as flat as a sky
        rounded: Plane = np.clip(np.rint(codes), low, high).astype(np.uint8)
        return rounded

    small = -(-width // 2), -(-height // 2)
    return Planes(plane(width, height, 16, 235), plane(*small, 60, 200), plane(*small, 50, 210))


def copy(planes: Planes) -> Planes:
    return Planes(*(plane.copy() for plane in planes))


def errors(result: Planes, expected: tuple[Floats, ...]) -> tuple[float, float]:
    """The largest and the mean difference in codes; the mean is of the worst plane.

    Half a code, from which both neighbours are as far, may be rounded up or down.
    """
    differences = []
    for plane, floats in zip(result, expected, strict=True):
        nearest = (np.clip(np.rint(floats + by), 0, 255) for by in (-0.001, 0.001))
        differences.append(np.minimum(*(np.abs(plane - codes) for codes in nearest)))
    return max(float(d.max()) for d in differences), max(float(d.mean()) for d in differences)


def to_yuv(rgb: Any) -> Floats:
    """Full-range R'G'B' to limited-range BT.709, in the last axis (ITU-R BT.709-6)."""
    matrix = np.array(
        [
            [0.2126, 0.7152, 0.0722],
            [-0.2126 / 1.8556, -0.7152 / 1.8556, 0.5],
            [0.5, -0.7152 / 1.5748, -0.0722 / 1.5748],
        ]
    )
    yuv: Floats = np.asarray(rgb, float) @ matrix.T * np.array([219, 224, 224]) / 255 + np.array(ZEROS)
    return yuv


def to_rgb(yuv: Any) -> Floats:
    y, cb, cr = np.moveaxis(
        (np.asarray(yuv, float) - np.array(ZEROS)) * 255 / np.array([219, 224, 224]), -1, 0
    )
    red, blue = y + 1.5748 * cr, y + 1.8556 * cb
    return np.stack([red, (y - 0.2126 * red - 0.0722 * blue) / 0.7152, blue], axis=-1)


def mean_of_four(values: Floats) -> Floats:
    padded = np.pad(values, [(0, side % 2) for side in values.shape], mode="edge")
    mean: Floats = padded.reshape(padded.shape[0] // 2, 2, padded.shape[1] // 2, 2).mean(axis=(1, 3))
    return mean


def _q(ellipse: Ellipse, size: tuple[int, int], power: int = 1) -> Floats:
    # A frame of an odd size has its last chroma samples half outside: the mask goes on there.
    across = np.arange(size[0] + size[0] % 2) + 0.5 - ellipse.x
    down = np.arange(size[1] + size[1] % 2) + 0.5 - ellipse.y
    across, down = across / ellipse.radius_x**power, down / ellipse.radius_y**power
    q: Floats = across[None, :] ** 2 + down[:, None] ** 2
    return q


def coverage(ellipse: Ellipse, size: tuple[int, int]) -> Floats:
    q, slope = _q(ellipse, size), np.sqrt(_q(ellipse, size, 2))
    mask: Floats = np.clip(0.5 + (1 - q) / (2 * np.maximum(slope, 1e-300)), 0, 1)
    return mask


def soft(ellipse: Ellipse, size: tuple[int, int]) -> Floats:
    u = np.clip((1.15 - np.sqrt(_q(ellipse, size))) / 0.3, 0, 1)
    return u * u * (3 - 2 * u)


def highlighted(planes: Planes, effect: str, ellipse: Ellipse, scale: float) -> tuple[Floats, ...]:
    size = planes.size
    sources = [plane.astype(float) for plane in planes]
    mask = (
        coverage(ellipse, size)
        if effect in ("original", "brightness_boost", "dark_overlay")
        else soft(ellipse, size)
    )
    if effect == "original":
        half = 1.5 * scale
        outer, inner = (
            coverage(ellipse._replace(radius_x=ellipse.radius_x + by, radius_y=ellipse.radius_y + by), size)
            for by in (half, -half)
        )
        mask = 1 - (1 - mask * ellipse.opacity) * (1 - 0.6 * (outer - inner))
        others = list(to_yuv(ellipse.color))
    elif effect == "brightness_boost":
        even = np.pad(sources[0], [(0, side % 2) for side in sources[0].shape], mode="edge")
        chroma = (plane.repeat(2, axis=0).repeat(2, axis=1) for plane in sources[1:])
        rgb = np.clip(to_rgb(np.stack([even, *chroma], axis=-1)), 0, 255)
        boosted = to_yuv(np.minimum(rgb * 1.5, 255))
        others = [boosted[: size[1], : size[0], 0], *(mean_of_four(boosted[..., i]) for i in (1, 2))]
    else:
        mask = 1 - mask
        if effect == "blur":
            sigma = 15 * scale
            others = [
                _gauss(source, by) for source, by in zip(sources, (sigma, sigma / 2, sigma / 2), strict=True)
            ]
        else:
            k = {"dark_overlay": 0.7, "spotlight": 0.3}[effect]
            others = [zero + (source - zero) * k for source, zero in zip(sources, ZEROS, strict=True)]
    small = mask.reshape(mask.shape[0] // 2, 2, mask.shape[1] // 2, 2).mean(axis=(1, 3))
    masks = (mask[: size[1], : size[0]], small, small)
    return tuple(s + m * (other - s) for s, m, other in zip(sources, masks, others, strict=True))


def cropped(planes: Planes, window: Window, target: tuple[int, int]) -> tuple[Floats, ...]:
    s = window.width / target[0]
    small = target[0] // 2, target[1] // 2
    chroma = Window(window.x / 2 + (1 - s) / 4, window.y / 2, window.width / 2, window.height / 2)
    boxes = ((window, target), (chroma, small), (chroma, small))
    return tuple(
        _lanczos(plane.shape[0], box.y, box.height, size[1])
        @ plane.astype(float)
        @ _lanczos(plane.shape[1], box.x, box.width, size[0]).T
        for plane, (box, size) in zip(planes, boxes, strict=True)
    )


def _lanczos(length: int, start: float, extent: float, wanted: int) -> Floats:
    """Weights of each source sample in each result; what lies outside counts as the outermost sample."""
    scale = extent / wanted
    stretch = max(scale, 1.0)
    matrix = np.zeros((wanted, length))
    for row in range(wanted):
        centre = start + (row + 0.5) * scale
        samples = np.arange(math.floor(centre - 3 * stretch) - 1, math.ceil(centre + 3 * stretch) + 1)
        t = (samples + 0.5 - centre) / stretch
        weights = np.where(np.abs(t) < 3, np.sinc(t) * np.sinc(t / 3), 0)
        np.add.at(matrix[row], np.clip(samples, 0, length - 1), weights / weights.sum())
    return matrix


def _gauss(plane: Floats, sigma: float) -> Floats:
    def matrix(length: int) -> Floats:
        reach = np.arange(-math.ceil(6 * sigma), math.ceil(6 * sigma) + 1)
        weights = np.exp(-(reach**2) / (2 * sigma**2))
        result = np.zeros((length, length))
        for row in range(length):
            np.add.at(result[row], np.clip(row + reach, 0, length - 1), weights / weights.sum())
        return result

    return matrix(plane.shape[0]) @ plane @ matrix(plane.shape[1]).T
