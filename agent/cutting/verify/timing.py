"""When the packets of a finished clip are decoded and shown: by an MP4's index alone, else by all packets."""

from __future__ import annotations

import io
from array import array
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, chain, pairwise, repeat
from pathlib import Path
from sys import byteorder

import av.container

from agent.cutting.formats.mp4 import Box, boxes, top_level
from agent.cutting.formats.streams import tick_of

_PICTURE = b"vide"
_MAX_INDEX = 64 << 20
"""Bytes. A clip's index is far smaller."""


class Malformed(Exception):
    """The file's structure is damaged. The text says how."""


@dataclass(frozen=True)
class Timing:
    """One track's packets, in ticks counted from the clip's 0."""

    tick: Fraction
    """Seconds."""
    shown: list[int]
    """In the order of decoding."""
    end: int
    """Where the last shown packet's time is over; for pictures perhaps a little off."""
    length: Fraction | None
    """Seconds for which the file says that the track is played; None where it says nothing."""
    ordered: bool
    """Whether decoding times grow strictly, and none lies behind its packet's being shown."""


def timings_of_boxes(path: Path) -> list[Timing]:
    """The tracks of an MP4 or MOV. Raises `Malformed`, also when the index is behind the data."""
    try:
        top = top_level(path)
        order = [box.type for box in top]
        if order[:1] != ["ftyp"] or order.count("moov") != 1 or order.count("mdat") != 1:
            raise Malformed(f"its boxes are {', '.join(order)}")
        movie, data = (next(box for box in top if box.type == kind) for kind in ("moov", "mdat"))
        if movie.start > data.start:
            raise Malformed("its index is behind the data")
        with path.open("rb") as file:
            file.seek(movie.start)
            index = _Index(file.read(min(movie.end - movie.start, _MAX_INDEX)))
        if sum(index.sizes) != data.end - data.start:
            raise Malformed("its data is not as long as its index says")
    except (ValueError, IndexError, KeyError) as error:
        raise Malformed(f"its index is damaged: {error}") from error
    return index.timings


def timings_of_packets(clip: av.container.InputContainer) -> list[Timing]:
    """The streams of any container, by reading it from here to its end."""
    shown: dict[int, list[int]] = {stream.index: [] for stream in clip.streams}
    ends: dict[int, int] = {}
    for packet in clip.demux():
        if packet.pts is not None and packet.size:
            shown[packet.stream_index].append(packet.pts)
            end = packet.pts + (packet.duration or 0)
            ends[packet.stream_index] = max(end, ends.get(packet.stream_index, end))
    ticks = {stream.index: tick_of(stream) for stream in clip.streams}
    # Matroska has one length for all tracks.
    length = None if clip.duration is None else clip.duration * Fraction(1, 1_000_000)
    return [Timing(ticks[i], times, ends.get(i, 0), length, ordered=True) for i, times in shown.items()]


class _Index:
    """A `moov` box in memory."""

    def __init__(self, content: bytes) -> None:
        self._file = io.BytesIO(content)
        self.sizes: list[int] = []
        """Bytes of each track's samples."""
        self.timings: list[Timing] = []
        tree = list(boxes(self._file, 0, len(content)))
        header = self._full(next(box for box in tree if box.type == "mvhd"))
        self._movie_tick = Fraction(1, _unsigned(header, 20 if header[0] else 12))
        for box in tree:
            if box.type == "trak":
                self._track(box)

    def _full(self, box: Box) -> bytes:
        self._file.seek(box.start)
        return self._file.read(box.end - box.start)

    def _children(self, box: Box) -> dict[str, Box]:
        return {child.type: child for child in boxes(self._file, box.start, box.end)}

    def _track(self, box: Box) -> None:
        track = self._children(box)
        media = self._children(track["mdia"])
        header = self._full(media["mdhd"])
        tick = Fraction(1, _unsigned(header, 20 if header[0] else 12))
        picture = self._full(media["hdlr"])[8:12] == _PICTURE
        table = self._children(self._children(media["minf"])["stbl"])
        durations = _runs(self._full(table["stts"]))
        decoded = list(accumulate(durations[:-1], initial=0)) if durations else []
        offsets = _runs(self._full(table["ctts"])) if "ctts" in table else [0] * len(decoded)
        self.sizes.append(_total_size(self._full(table["stsz"])))
        zero, length = self._edit(track, tick)
        shown = [at + offset - zero for at, offset in zip(decoded, offsets, strict=True)]
        tail = decoded[-1] + durations[-1] - zero if decoded else 0
        ordered = all(offset >= 0 for offset in offsets)
        if picture:
            ordered = ordered and all(a < b for a, b in pairwise(decoded))
        if length is None:
            length = (tail + zero) * tick
        self.timings.append(Timing(tick, shown, tail, length, ordered))

    def _edit(self, track: dict[str, Box], tick: Fraction) -> tuple[int, Fraction | None]:
        """By its edit list: the track's own time at which the clip's 0 lies, and until when it is played."""
        if "edts" not in track:
            return 0, None
        data = self._full(self._children(track["edts"])["elst"])
        wide = data[0] == 1
        delay = 0
        for entry in range(_unsigned(data, 4)):
            at = 8 + entry * (20 if wide else 12)
            length = int.from_bytes(data[at : at + (8 if wide else 4)], "big")
            at += 8 if wide else 4
            start = int.from_bytes(data[at : at + (8 if wide else 4)], "big", signed=True)
            if start >= 0:
                played = length * self._movie_tick + delay * tick
                return start - delay, played if length else None
            delay += round(length * self._movie_tick / tick)
        return -delay, None


def _unsigned(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "big")


def _runs(data: bytes) -> list[int]:
    """A table of (count, value) pairs, written out. `ctts` of version 1 has signed values."""
    values = array("i" if data[0] else "I", data[8 : 8 + 8 * _unsigned(data, 4)])
    if byteorder == "little":
        values.byteswap()
    return list(
        chain.from_iterable(repeat(value, n) for n, value in zip(values[::2], values[1::2], strict=True))
    )


def _total_size(data: bytes) -> int:
    each, count = _unsigned(data, 4), _unsigned(data, 8)
    if each:
        return each * count
    sizes = array("I", data[12 : 12 + 4 * count])
    if byteorder == "little":
        sizes.byteswap()
    return sum(sizes)
