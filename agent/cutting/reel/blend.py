"""Mixes the frames of two parts for a transition, in their own pixel format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Any, TypeAlias

import numpy as np
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from agent.cutting.plan.outcome import Unsuited
from clipping.contract.choices import TransitionType

Plane: TypeAlias = NDArray[np.unsignedinteger[Any]]
"""8 or 16 bits a value."""


@dataclass(frozen=True)
class Pixels:
    """One frame: its planes, rows by columns, without padding."""

    format: str
    width: int
    height: int
    planes: tuple[Plane, ...]

    @classmethod
    def of(cls, frame: VideoFrame) -> Pixels:
        """A copy of a decoded frame. Raises `Unsuited` for formats that are not planar YUV."""
        _check(frame.format)
        kind = _kind(frame.format)
        planes = []
        for plane in frame.planes:
            rows = np.frombuffer(memoryview(plane), kind).reshape(plane.height, -1)
            planes.append(rows[:, : plane.width].copy())
        return cls(frame.format.name, frame.width, frame.height, tuple(planes))

    @classmethod
    def read(cls, file: IO[bytes], format_: str, width: int, height: int) -> Pixels:
        """The next frame of a file of `to_bytes`."""
        kind, known = _kind(VideoFormat(format_)), VideoFormat(format_, width, height)
        half = (known.chroma_height(height), known.chroma_width(width))
        planes = []
        for rows, columns in ((height, width), half, half):
            data = file.read(rows * columns * kind.itemsize)
            planes.append(np.frombuffer(data, kind).reshape(rows, columns))
        return cls(format_, width, height, tuple(planes))

    def frame(self) -> VideoFrame:
        """For an encoder."""
        frame = VideoFrame(self.width, self.height, self.format)
        for plane, values in zip(frame.planes, self.planes, strict=True):
            rows = np.zeros((plane.height, plane.line_size // values.itemsize), values.dtype)
            rows[:, : plane.width] = values
            plane.update(rows.tobytes())
        return frame

    def to_bytes(self) -> bytes:
        """Raw video."""
        return b"".join(plane.tobytes() for plane in self.planes)

    def mixed(self, other: Pixels, share: float) -> Pixels:
        """With `share`, 0 to 1, of another frame."""
        planes = [_mixed(a, b, share) for a, b in zip(self.planes, other.planes, strict=True)]
        return Pixels(self.format, self.width, self.height, tuple(planes))

    def darkened(self, share: float, *, full_range: bool) -> Pixels:
        """With `share` of black."""
        bits = VideoFormat(self.format).components[0].bits
        black = [0 if full_range else 16 << (bits - 8), 128 << (bits - 8), 128 << (bits - 8)]
        planes = [
            _mixed(plane, np.asarray(level, plane.dtype), share)
            for plane, level in zip(self.planes, black, strict=False)
        ]
        return Pixels(self.format, self.width, self.height, tuple(planes))


def transition(
    kind: TransitionType,
    tail: Iterable[Pixels],
    head: Iterable[Pixels],
    *,
    count: int,
    full_range: bool,
) -> Iterator[Pixels]:
    """The frames between two parts, of which each gives `count`: of a dissolve as many, of a fade twice as
    many.

    The first and the last are changed already, so that the transition is as long as it is called.
    """
    if kind == "dissolve":
        for number, (one, other) in enumerate(zip(tail, head, strict=True), start=1):
            yield one.mixed(other, number / (count + 1))
        return
    for number, frame in enumerate(tail, start=1):
        yield frame.darkened(number / (count + 1), full_range=full_range)
    for number, frame in enumerate(head):
        yield frame.darkened((count - number) / (count + 1), full_range=full_range)


def _mixed(one: Plane, other: Plane, share: float) -> Plane:
    mixed = np.float32(1 - share) * one + np.float32(share) * other
    return np.rint(mixed).astype(one.dtype)


def _check(format_: VideoFormat) -> None:
    planar = format_.name.startswith("yuv") and not format_.name.endswith("be") and format_.is_planar
    if not planar or format_.name.startswith("yuva"):
        raise Unsuited(f"its pixels ({format_.name}) can't be mixed")


def _kind(format_: VideoFormat) -> np.dtype[np.unsignedinteger[Any]]:
    return np.dtype(np.uint8 if format_.components[0].bits == 8 else np.uint16)
