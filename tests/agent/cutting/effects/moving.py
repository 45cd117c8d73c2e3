"""Generated frames with a subject that moves over a textured background, also while the camera pans."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

Frame = npt.NDArray[np.uint8]
Course = Callable[[float], float]
_MARGIN = 2.0
"""Sizes of the frame around it that the background has."""


def texture(height: int, width: int, seed: int, *, coarse: int = 4) -> npt.NDArray[np.float64]:
    """Random patches of several sizes, 0 to 255."""
    random = np.random.default_rng(seed)
    total = np.zeros((height, width))
    size = coarse
    for _ in range(3):
        rough = random.normal(size=(height // size + 2, width // size + 2))
        total += np.kron(rough, np.ones((size, size)))[:height, :width]
        size *= 3
    for axis in (0, 1):
        total = (np.roll(total, 1, axis) + 2 * total + np.roll(total, -1, axis)) / 4
    return np.clip(128 + 28 * total, 0, 255)


@dataclass(frozen=True)
class Scene:
    """One shot. Positions are in widths of the frame, of the subject's middle as the camera shows it."""

    subject: Course
    pan: Course = lambda time: 0.0
    """How far the camera has turned to the right, in widths of the frame."""
    width: float = 0.08
    """Of the subject, in widths of the frame."""
    height: float = 0.3
    """Of the subject, in heights of the frame."""
    seed: int = 1


def frames(scene: Scene, times: list[float], size: tuple[int, int], *, noise: float = 2.0) -> Iterator[Frame]:
    """Grey frames of `size` (width, height)."""
    width, height = size
    behind = texture(height, int(width * (1 + _MARGIN)), scene.seed)
    wide, high = round(scene.width * width), round(scene.height * height)
    subject = texture(high, wide, scene.seed + 100, coarse=3) * 0.6 + (20 if scene.seed % 2 else 90)
    random = np.random.default_rng(scene.seed + 200)
    top = (height - high) // 2
    for time in times:
        shown = _shifted(behind, scene.pan(time) * width + width * _MARGIN / 4, width)
        left = scene.subject(time) * width - wide / 2
        first, part = int(np.floor(left)), left - np.floor(left)
        for column in range(wide + 1):
            at = first + column
            if 0 <= at < width:
                cover = 1 - part if column == 0 else part if column == wide else 1.0
                own = subject[:, min(column, wide - 1)]
                shown[top : top + high, at] = cover * own + (1 - cover) * shown[top : top + high, at]
        shown += random.normal(scale=noise, size=shown.shape)
        yield np.clip(np.round(shown), 0, 255).astype(np.uint8)


def _shifted(behind: npt.NDArray[np.float64], at: float, width: int) -> npt.NDArray[np.float64]:
    first, part = int(np.floor(at)), at - np.floor(at)
    return (1 - part) * behind[:, first : first + width] + part * behind[:, first + 1 : first + 1 + width]


def video(scenes: list[tuple[Scene, float]], size: tuple[int, int], rate: int, path: Path) -> None:
    """The scenes, each for its number of seconds, as H.264. Subjects are red, and all else is grey."""
    width, height = size
    with av.open(str(path), "w") as file:
        stream = file.add_stream(
            "libx264", rate=rate, options={"preset": "ultrafast", "crf": "18", "g": "25"}
        )
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for scene, seconds in scenes:
            times = [number / rate for number in range(round(seconds * rate))]
            for time, grey in zip(times, frames(scene, times, size), strict=True):
                planes = np.full((height * 3 // 2, width), 128, np.uint8)
                planes[:height] = grey
                red = planes[height + height // 4 :].reshape(height // 2, width // 2)
                left, high = scene.subject(time) - scene.width / 2, round(scene.height * height / 2)
                columns = slice(
                    max(0, round(left * width / 2)), max(0, round((left + scene.width) * width / 2))
                )
                top = (height // 2 - high) // 2
                red[top : top + high, columns] = 220
                frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
                file.mux(stream.encode(frame))
        file.mux(stream.encode())
