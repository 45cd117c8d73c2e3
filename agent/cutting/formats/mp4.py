"""The boxes of an MP4 or MOV file (ISO/IEC 14496-12), and what those of its index say of each track."""

from __future__ import annotations

import io
import math
import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, cast

from agent.cutting.formats.mp4_tables import SampleTable

VIDEO, AUDIO, TEXT, TIMECODE = b"vide", b"soun", b"text", b"tmcd"
"""Handlers of tracks."""
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


_MOST = 1 << 16
"""Boxes in a box, and edits of a track. Recordings have a few of them; each takes a hundred times the memory
that it has in the file."""


class Boxes:
    """Boxes of an open file, read on demand."""

    def __init__(self, file: BinaryIO, view: memoryview | None = None) -> None:
        """`view`: the whole file, where it is in memory; contents are then not copied."""
        self._file = file
        self._view = view

    @classmethod
    def of(cls, data: bytes | mmap.mmap) -> Boxes:
        """Boxes in memory."""
        file = io.BytesIO(data) if isinstance(data, bytes) else cast(BinaryIO, data)
        return cls(file, memoryview(data))

    def within(self, box: Box) -> Iterator[Box]:
        """The boxes in the content of `box`. Raises `ValueError`, also when they are too many."""
        for number, found in enumerate(boxes(self._file, box.start, box.end)):
            if number == _MOST:
                raise ValueError(f"a box has more than {_MOST} others in it")
            yield found

    def children(self, box: Box) -> dict[str, Box]:
        """The boxes in the content of `box` by their type. Raises `ValueError`."""
        return {child.type: child for child in self.within(box)}

    def first(self, box: Box, kind: str) -> Box:
        """The first box of a type in the content of `box`. Raises `ValueError` and `KeyError`."""
        for child in self.within(box):
            if child.type == kind:
                return child
        raise KeyError(kind)

    def content(self, box: Box, most: int | None = None) -> memoryview:
        """The content of `box`: at most its first `most` bytes."""
        size = box.end - box.start if most is None else min(most, box.end - box.start)
        if self._view is not None:
            return self._view[box.start : box.start + size]
        self._file.seek(box.start)
        return memoryview(self._file.read(size))

    def whole(self, box: Box) -> bytes:
        """The box, with its header."""
        content = self.content(box)
        return (len(content) + 8).to_bytes(4, "big") + box.type.encode("latin-1") + bytes(content)


@dataclass(frozen=True)
class Edit:
    """An entry of a track's edit list."""

    length: int
    """In the file's ticks; 0: to the end of the track."""
    start: int
    """In the track's ticks; -1: nothing is shown."""
    rate: int
    """16.16 fixed point."""


class Track:
    """A track in an index.

    Everything is read on demand, and raises `ValueError`, `KeyError` or `IndexError` when it is
    missing or damaged.
    """

    def __init__(self, file: Boxes, box: Box) -> None:
        self._file = file
        self._box = box

    @cached_property
    def header(self) -> memoryview:
        """The content of `tkhd`."""
        return self._file.content(self._file.first(self._box, "tkhd"))

    @property
    def number(self) -> int:
        """The track's id."""
        return number_at(self.header, 20 if self.header[0] else 12)

    @property
    def rotation(self) -> int:
        """Degrees anticlockwise by which a player turns the track's frames: 0, 90, 180 or 270."""
        a, b = struct.unpack_from(">ii", self.header, 52 if self.header[0] else 40)
        # The matrix is (cos, sin; -sin, cos) and turns clockwise.
        clockwise = math.degrees(math.atan2(b, a))
        return round(-clockwise / _ROTATION_STEP) * _ROTATION_STEP % 360

    @cached_property
    def media(self) -> dict[str, Box]:
        """The boxes in `mdia`."""
        return self._file.children(self._file.first(self._box, "mdia"))

    @cached_property
    def media_header(self) -> memoryview:
        """The content of `mdhd`."""
        return self._file.content(self.media["mdhd"])

    @property
    def tick(self) -> Fraction:
        """Seconds."""
        return tick_of(self.media_header)

    @property
    def handler(self) -> bytes:
        """What the track holds: `VIDEO`, `AUDIO` or another type."""
        return bytes(self._file.content(self.media["hdlr"], 12)[8:12])

    @cached_property
    def information(self) -> dict[str, Box]:
        """The boxes in `minf`."""
        return self._file.children(self.media["minf"])

    @cached_property
    def tables(self) -> dict[str, Box]:
        """The boxes in `stbl`."""
        return self._file.children(self.information["stbl"])

    @property
    def coding(self) -> bytes:
        """The name of the track's codec."""
        return bytes(self._file.content(self.tables["stsd"], 16)[12:16])

    @cached_property
    def samples(self) -> SampleTable:
        """The track's samples."""
        return SampleTable({kind: self._file.content(box) for kind, box in self.tables.items()})

    @property
    def title(self) -> bytes:
        """The box with the track's name; empty where it has none."""
        try:
            return self._file.whole(self._file.first(self._file.first(self._box, "udta"), "name"))
        except (KeyError, ValueError):
            return b""

    @property
    def edits(self) -> list[Edit]:
        """The track's edit list; empty where it has none."""
        try:
            edits = self._file.first(self._box, "edts")
        except KeyError:
            return []
        content = self._file.content(self._file.first(edits, "elst"))
        size = 8 if content[0] else 4
        found, at = [], 8
        for number in range(number_at(content, 4)):
            if at >= len(content):
                raise ValueError("an edit list is cut off")
            if number == _MOST:
                raise ValueError(f"an edit list has more than {_MOST} edits")
            length = int.from_bytes(content[at : at + size], "big")
            start = int.from_bytes(content[at + size : at + 2 * size], "big", signed=True)
            found.append(Edit(length, start, number_at(content, at + 2 * size)))
            at += 2 * size + 4
        return found


class Index:
    """The content of a `moov` box. Errors are those of `Track`."""

    def __init__(self, file: Boxes, box: Box) -> None:
        self._file = file
        self._box = box

    @classmethod
    def of(cls, content: bytes | mmap.mmap) -> Index:
        """One whose content is in memory."""
        return cls(Boxes.of(content), Box("moov", 0, len(content)))

    @property
    def fragmented(self) -> bool:
        """Whether samples are described outside of it."""
        return any(box.type == "mvex" for box in self._file.within(self._box))

    @property
    def tick(self) -> Fraction:
        """Seconds, in which edits are counted."""
        return tick_of(self._file.content(self._file.first(self._box, "mvhd")))

    @property
    def tracks(self) -> list[Track]:
        """In the file's order."""
        return [Track(self._file, box) for box in self._file.within(self._box) if box.type == "trak"]


def tick_of(header: memoryview) -> Fraction:
    """Seconds a tick, by the content of `mvhd` or `mdhd`."""
    return Fraction(1, number_at(header, 20 if header[0] else 12))


def number_at(data: memoryview, at: int) -> int:
    """The unsigned number of 32 bits at `at`."""
    return int.from_bytes(data[at : at + 4], "big")


def rotations(path: Path) -> dict[int, int]:
    """Degrees anticlockwise by track id, for the tracks that are turned. Empty when that can't be read."""
    try:
        with path.open("rb") as file:
            for box in boxes(file, 0, path.stat().st_size):
                if box.type == "moov":  # what follows may be thousands of fragments
                    tracks = Index(Boxes(file), box).tracks
                    return {track.number: track.rotation for track in tracks if track.rotation}
    except (ValueError, KeyError, OSError, struct.error, IndexError):
        pass
    return {}
