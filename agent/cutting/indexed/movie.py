"""The index of a plain MP4 or MOV file: one film, its sound, simple edits."""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import BinaryIO, cast

from agent.cutting.formats.dts import WINDOW
from agent.cutting.formats.mp4 import Box, boxes
from agent.cutting.indexed.tables import NotPlain, SampleTable

_KINDS = {b"vide": "video", b"soun": "audio"}
_CODINGS = frozenset({b"avc1", b"hvc1", b"mp4a"})
_CUT_SHORT = Fraction(1, 10)
"""Seconds by which an edit may end a track before its last sample: an encoder's padding."""
_PRIMING = Fraction(1, 10)
"""Seconds of sound that an edit may hide at the beginning: an encoder's delay."""


@dataclass(frozen=True)
class Trak:
    """One track."""

    kind: str
    """`video` or `audio`."""
    time_base: Fraction
    """Seconds a tick."""
    shift: int
    """Ticks that the track's own time is ahead of the movie's, by its edit list."""
    until: int | None
    """Ticks of the movie's time from which on its edit list shows nothing more of it; None: all is shown."""
    table: SampleTable
    header: bytes
    """The content of `tkhd`."""
    media_header: bytes
    """The content of `mdhd`."""
    handler: bytes
    """The whole box `hdlr`."""
    information: bytes
    """The boxes of `minf` but the tables."""
    description: bytes
    """The whole box `stsd`."""

    def __post_init__(self) -> None:
        if self.coding not in _CODINGS or int.from_bytes(self.description[12:16], "big") != 1:
            raise NotPlain(f"it holds {self.coding.decode('latin-1')}")

    @property
    def coding(self) -> bytes:
        """The name of the codec in the file."""
        return self.description[20:24]


def movie(index: mmap.mmap) -> list[Trak]:
    """The tracks in the content of a `moov` box. Raises `NotPlain`."""
    try:
        return _Movie(index).tracks()
    except (ValueError, IndexError, KeyError, ArithmeticError) as error:
        raise NotPlain(f"its index is damaged: {error}") from None


class _Movie:
    def __init__(self, index: mmap.mmap) -> None:
        self._file = cast(BinaryIO, index)
        self._view = memoryview(index)
        self._top = list(boxes(self._file, 0, len(index)))
        if any(box.type == "mvex" for box in self._top):
            raise NotPlain("it is fragmented")
        header = self._content({box.type: box for box in self._top}["mvhd"])
        self._tick = Fraction(1, _number(header, 20 if header[0] else 12))

    def tracks(self) -> list[Trak]:
        found = [self._track(box) for box in self._top if box.type == "trak"]
        if [track.kind for track in found].count("video") != 1:
            raise NotPlain("it does not hold one film")
        return found

    def _track(self, box: Box) -> Trak:
        track = self._children(box)
        media = self._children(track["mdia"])
        header = bytes(self._content(media["mdhd"]))
        tick = Fraction(1, _number(header, 20 if header[0] else 12))
        kind = _KINDS.get(bytes(self._content(media["hdlr"])[8:12]))
        if kind is None:
            raise NotPlain("it holds more than picture and sound")
        information = self._children(media["minf"])
        table_boxes = self._children(information["stbl"])
        table = SampleTable({name: self._content(found) for name, found in table_boxes.items()})
        shift, until = self._edit(track, tick, table, picture=kind == "video")
        return Trak(
            kind=kind,
            time_base=tick,
            shift=shift,
            until=until,
            table=table,
            header=bytes(self._content(track["tkhd"])),
            media_header=header,
            handler=self._whole(media["hdlr"]),
            information=b"".join(self._whole(b) for name, b in information.items() if name != "stbl"),
            description=self._whole(table_boxes["stsd"]),
        )

    def _edit(
        self, track: dict[str, Box], tick: Fraction, table: SampleTable, *, picture: bool
    ) -> tuple[int, int | None]:
        """`Trak.shift` and `Trak.until`."""
        if "edts" not in track:
            return 0, None
        edits = list(_edits(self._content(self._children(track["edts"])["elst"])))
        delay = Fraction(0)
        if edits and edits[0][1] == -1:
            delay = edits.pop(0)[0] * self._tick
        if len(edits) != 1 or edits[0][2] != 1 << 16 or edits[0][1] < 0:
            raise NotPlain("it is edited")
        length, start, _ = edits[0]
        if length and (table.duration - start) * tick - length * self._tick > _CUT_SHORT:
            raise NotPlain("its end is edited away")
        hidden = start - (int(table.shown(0, min(table.count, WINDOW)).min()) if picture else 0)
        if hidden * tick > (0 if picture else _PRIMING):
            raise NotPlain("its beginning is edited away")
        until = math.ceil((delay + length * self._tick) / tick) if length else None
        return start - round(delay / tick), until

    def _children(self, box: Box) -> dict[str, Box]:
        return {child.type: child for child in boxes(self._file, box.start, box.end)}

    def _content(self, box: Box) -> memoryview:
        return self._view[box.start : box.end]

    def _whole(self, box: Box) -> bytes:
        content = self._view[box.start : box.end]
        return (len(content) + 8).to_bytes(4, "big") + box.type.encode("latin-1") + bytes(content)


def _edits(content: memoryview) -> Iterator[tuple[int, int, int]]:
    """Length in the movie's ticks, start in the track's, and rate (16.16) of each edit."""
    size = 8 if content[0] else 4
    at = 8
    for _ in range(_number(content, 4)):
        length = int.from_bytes(content[at : at + size], "big")
        start = int.from_bytes(content[at + size : at + 2 * size], "big", signed=True)
        yield length, start, _number(content, at + 2 * size)
        at += 2 * size + 4


def _number(data: memoryview | bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "big")
