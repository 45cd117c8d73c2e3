"""The boxes of an MP4 or MOV file (ISO/IEC 14496-12), as far as the engine needs them."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_ROTATION_STEP = 90


@dataclass(frozen=True)
class Box:
    """One box: its type, and where its content lies in the file."""

    type: str
    start: int
    """Of the content, behind the header."""
    end: int


def boxes(file: BinaryIO, start: int, end: int) -> Iterator[Box]:
    """The boxes from `start` to `end`. Raises `ValueError` when they don't fill it exactly."""
    at = start
    while at < end:
        file.seek(at)
        header = file.read(16)
        if len(header) < 8:
            raise ValueError(f"a box header is cut off at {at}")
        size, kind = int.from_bytes(header[:4], "big"), header[4:8].decode("latin-1")
        content = at + 8
        if size == 1:
            size, content = int.from_bytes(header[8:16], "big"), at + 16
        elif size == 0:
            size = end - at
        if size < content - at or at + size > end:
            raise ValueError(f"box {kind!r} at {at} does not fit")
        yield Box(kind, content, at + size)
        at += size


def top_level(path: Path) -> list[Box]:
    """The file's outermost boxes. Raises `ValueError` when they don't add up to its size."""
    with path.open("rb") as file:
        return list(boxes(file, 0, path.stat().st_size))


def rotations(path: Path) -> dict[int, int]:
    """Degrees anticlockwise by track id, for the tracks that are turned. Empty when that can't be read."""
    turned: dict[int, int] = {}
    try:
        with path.open("rb") as file:
            for header in _track_headers(file, path.stat().st_size):
                version = header[0]
                at = 4 + (16 if version == 1 else 8)
                track = int.from_bytes(header[at : at + 4], "big")
                a, b = struct.unpack_from(">ii", header, at + (32 if version == 1 else 28))
                turned[track] = _degrees(a, b)
    except (ValueError, OSError, struct.error, IndexError):
        return {}
    return {track: angle for track, angle in turned.items() if angle}


def _degrees(a: int, b: int) -> int:
    # The matrix is (cos, sin; -sin, cos) and turns clockwise.
    clockwise = math.degrees(math.atan2(b, a))
    return round(-clockwise / _ROTATION_STEP) * _ROTATION_STEP % 360


def _track_headers(file: BinaryIO, size: int) -> Iterator[bytes]:
    for movie in boxes(file, 0, size):
        if movie.type != "moov":
            continue
        for track in list(boxes(file, movie.start, movie.end)):
            if track.type != "trak":
                continue
            for box in boxes(file, track.start, track.end):
                if box.type == "tkhd":
                    file.seek(box.start)
                    yield file.read(box.end - box.start)
                    break
        return  # the rest may be thousands of fragments
