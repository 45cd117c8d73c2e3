"""Fragmented MP4."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import BinaryIO

from agent.cutting.formats.mp4 import VIDEO, Box, Boxes, Index, boxes, number_at
from agent.cutting.reading.unindexed.landmarks import Landmark

_LARGEST = 64 << 20


@dataclass(frozen=True)
class Fragments:
    """A `Layout`; see `landmarks`."""

    size: int
    header_end: int
    index: Box
    """Its `moov`."""
    listed: bool
    """Whether an index of the fragments follows it."""
    track: int
    """The id of the video's."""
    tick: Fraction
    """Seconds."""
    signature: bytes = b"moof"
    signature_at: int = 4

    def landmark(self, file: BinaryIO, offset: int) -> Landmark | None:
        """The fragment that begins there; None for one without video."""
        try:
            file.seek(offset)
            length = int.from_bytes(file.read(4), "big")
            if not 16 <= length <= min(_LARGEST, self.size - offset):
                return None
            for box in boxes(file, offset + 8, offset + length):
                if box.type == "traf":
                    time = self._time(Boxes(file), box)
                    if time is not None:
                        return Landmark(offset, time)
        except ValueError:
            return None
        return None

    def _time(self, file: Boxes, box: Box) -> Fraction | None:
        inner = {kind: file.content(child, 20) for kind, child in file.children(box).items()}
        if "tfhd" not in inner or "tfdt" not in inner or number_at(inner["tfhd"], 4) != self.track:
            return None
        time = inner["tfdt"]
        return int.from_bytes(time[4 : 12 if time[0] else 8], "big") * self.tick


def fragments(file: BinaryIO, size: int) -> Fragments | None:
    """The layout of a fragmented MP4; None for anything else."""
    index, listed = None, False
    try:
        for box in boxes(file, 0, size):
            if box.type == "moov":
                index = box
            elif box.type == "sidx":
                listed = True
            elif box.type == "moof" and index is not None:
                return _layout(Boxes(file), index, size, box.start - 8, listed=listed)
            elif box.type == "mdat" and index is not None:
                return None
    except (ValueError, KeyError, IndexError, ZeroDivisionError):
        return None  # damaged: libavformat may know more
    return None


def _layout(file: Boxes, index: Box, size: int, first: int, *, listed: bool) -> Fragments | None:
    for track in Index(file, index).tracks:
        if track.handler == VIDEO:
            return Fragments(size, first, index, listed, track.number, track.tick)
    return None
