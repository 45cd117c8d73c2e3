"""Fragmented MP4 without an index of its fragments."""

from __future__ import annotations

import os
from dataclasses import dataclass
from fractions import Fraction
from typing import BinaryIO

from agent.cutting.formats.mp4 import Box, boxes
from agent.cutting.reading.unindexed.landmarks import Landmark

_LARGEST = 64 << 20
_VIDEO = b"vide"


@dataclass(frozen=True)
class Fragments:
    """A `Layout`; see `landmarks`."""

    size: int
    header_end: int
    track: int
    """The id of the picture's."""
    tick: Fraction
    """Seconds."""
    signature: bytes = b"moof"
    signature_at: int = 4

    def landmark(self, file: BinaryIO, offset: int) -> Landmark | None:
        """The fragment that begins there; None for one without picture."""
        try:
            file.seek(offset)
            length = int.from_bytes(file.read(4), "big")
            if not 16 <= length <= min(_LARGEST, self.size - offset):
                return None
            for box in boxes(file, offset + 8, offset + length):
                if box.type == "traf":
                    time = self._time(file, box)
                    if time is not None:
                        return Landmark(offset, time)
        except ValueError:
            return None
        return None

    def _time(self, file: BinaryIO, box: Box) -> Fraction | None:
        inner = {child.type: _content(file, child, 20) for child in boxes(file, box.start, box.end)}
        if "tfhd" not in inner or "tfdt" not in inner:
            return None
        if int.from_bytes(inner["tfhd"][4:8], "big") != self.track:
            return None
        time = inner["tfdt"]
        return int.from_bytes(time[4 : 12 if time[0] else 8], "big") * self.tick


def fragments(file: BinaryIO, size: int) -> Fragments | None:
    """The layout of a fragmented MP4 without an index; None for anything else."""
    movie = None
    try:
        for box in boxes(file, 0, size):
            if box.type == "moov":
                movie = box
            elif box.type == "sidx":
                return None
            elif box.type == "moof" and movie is not None:
                return _layout(file, size, movie, box.start - 8)
            elif box.type == "mdat" and movie is not None:
                return None
    except (ValueError, KeyError, IndexError, ZeroDivisionError):
        return None  # damaged: libavformat may know more
    return None


def _layout(file: BinaryIO, size: int, movie: Box, first: int) -> Fragments | None:
    for track in [box for box in boxes(file, movie.start, movie.end) if box.type == "trak"]:
        inner = {box.type: box for box in boxes(file, track.start, track.end)}
        media = {box.type: box for box in boxes(file, inner["mdia"].start, inner["mdia"].end)}
        if _content(file, media["hdlr"], 12)[8:12] != _VIDEO:
            continue
        header = _content(file, media["mdhd"], 32)
        at = 20 if header[0] else 12
        number = _content(file, inner["tkhd"], 32)
        where = 20 if number[0] else 12
        return Fragments(
            size,
            first,
            int.from_bytes(number[where : where + 4], "big"),
            Fraction(1, int.from_bytes(header[at : at + 4], "big")),
        )
    return None


def _content(file: BinaryIO, box: Box, most: int) -> bytes:
    file.seek(box.start, os.SEEK_SET)
    return file.read(min(most, box.end - box.start))
