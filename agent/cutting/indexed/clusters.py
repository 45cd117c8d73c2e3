"""Reads the samples of a Matroska or WebM file from its clusters."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import BinaryIO

import numpy as np

from agent.cutting.formats import ebml
from agent.cutting.formats.arrays import NONE, Ints
from agent.cutting.formats.media import MediaInfo
from agent.cutting.formats.samples import NO_SAMPLES, Batch, Excerpt
from agent.cutting.indexed.excerpt import Found
from agent.cutting.indexed.not_plain import NotPlain
from agent.cutting.indexed.tracks import Trak
from agent.cutting.reading.ahead import ReadAhead
from agent.cutting.reading.unindexed.clusters import Clusters
from agent.cutting.reading.unindexed.landmarks import Landmarks

_LOOK_BYTES = 4096
_BATCH = 200
"""Samples that are given at a time, at least."""
_HEADER_BYTES = 32
"""Of an element that holds samples: more is not needed."""
_MOST_BETWEEN = 64
"""Bytes from a sample to the next: headers of both blocks and of the cluster."""
_KINDS = {1: "video", 2: "audio", 17: "subtitle"}
"""The types of the tracks that become streams, in their order."""
_CLUSTER_LEVEL = frozenset(
    {ebml.SEEK_HEAD, ebml.INFO, ebml.TRACKS, ebml.CUES, ebml.CHAPTERS, ebml.TAGS, ebml.ATTACHMENTS}
)
_SKIPPED = _CLUSTER_LEVEL | {ebml.VOID, ebml.CHECKSUM, 0xA7, 0xAB, 0x9B, 0x75A1, 0x75A2, 0xA4, 0xFA}
"""Elements without samples."""
_MOST_BREAKS = 1 / 8
"""The share of irregular distances between audio frames above which none is taken for regular."""
_FRAME_LENGTHS = (1024, 2048, 1152, 576, 960, 1920)
"""Samples of a coded frame of AAC or MP3."""


@dataclass
class _Row:
    """A track's samples in one cluster."""

    times: list[int] = field(default_factory=list)
    """In the file's ticks, from the cluster's own time on."""
    sizes: list[int] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)


class ClusterReader:
    """A `Reader`."""

    def __init__(
        self,
        file: BinaryIO,
        layout: Clusters,
        info: MediaInfo,
        tracks: Mapping[int, Trak],
        end: Fraction | None,
    ) -> None:
        """`tracks`: those that are read, by the index of their stream, without samples; `end`: when the
        recording ends, if that is known. Raises `NotPlain`."""
        self._file = file
        self._size = layout.size
        self._tick = layout.tick
        self._landmarks = Landmarks(file, layout)
        self._end = end
        self._tracks = tracks
        self.first = layout.header_end
        entries = [entry for entry in layout.tracks if entry.kind in _KINDS]
        kinds = [_KINDS[entry.kind] for entry in entries]
        if kinds != [stream.kind for stream in info.streams[: len(kinds)]]:
            raise NotPlain("its tracks are described otherwise")
        if not all(entries[index].plain for index in tracks):
            raise NotPlain("its samples are compressed")
        self._streams = {entries[index].number: index for index in tracks}
        others = {entry.number for entry in entries} - self._streams.keys()
        self.between = 0 if others else _MOST_BETWEEN
        self._delays = {index: round(entries[index].delay / layout.scale) for index in tracks}

    def near(self, time: Fraction) -> int:
        """See `Reader`."""
        return self._landmarks.near(time, self._end)

    def tracks(self, found: Found) -> dict[int, Trak]:
        """See `Reader`."""
        return {
            index: replace(
                track,
                table=Excerpt(_timed(found.get(index, NO_SAMPLES), self._rounding(track))),
            )
            for index, track in self._tracks.items()
        }

    def _rounding(self, track: Trak) -> int:
        """Ticks by which its times are rounded, where they can be known better."""
        return 0 if track.kind == "video" else math.ceil(self._tick / track.time_base)

    def batches(self, begin: int, end: int | None = None) -> Iterator[Found]:
        """See `Reader`."""
        file, size = self._file.fileno(), self._size if end is None else end
        at, base, data = begin, begin, b""
        cluster, rows, last = 0, self._rows(), _Row()
        ahead, wake = ReadAhead(file, begin), begin
        while at < size:
            here = at - base
            if here + _HEADER_BYTES > len(data):
                if at >= wake:
                    wake = ahead.reached(at)
                data, base, here = os.pread(file, _LOOK_BYTES, at), at, 0
            try:
                length = ebml.size_length(data[here])
                kind = int.from_bytes(data[here : here + length], "big")
                here += length
                length = ebml.size_length(data[here])
                content = (int.from_bytes(data[here : here + length], "big")) & (1 << 7 * length) - 1
                unknown = content == (1 << 7 * length) - 1
                here += length
                start = base + here
                if kind in (ebml.SIMPLE_BLOCK, ebml.BLOCK):
                    row = rows.get(data[here] & 0x7F)
                    if not data[here] & 0x80 or unknown:
                        raise NotPlain("it has too many tracks")
                    if row is not None:
                        flags = data[here + 3]
                        if flags & 0x06:
                            raise NotPlain("several samples share a block")
                        shift = data[here + 1] << 8 | data[here + 2]
                        if kind == ebml.BLOCK or flags & 0x80:
                            row.keys.append(len(row.times))
                        row.times.append(cluster + shift - (shift >> 15 << 16))
                        row.offsets.append(start + 4)
                        row.sizes.append(content - 4)
                        last = row
                    at = start + content
                elif kind == ebml.CLUSTER:
                    if sum(len(row.times) for row in rows.values()) >= _BATCH:
                        yield self._found(rows)
                        rows = self._rows()
                    at = start
                elif kind == ebml.BLOCK_GROUP:
                    at, last = start, _Row()
                elif kind == ebml.TIME:
                    cluster, at = int.from_bytes(data[here : here + content], "big"), start + content
                elif kind == ebml.REFERENCE:
                    if last.keys and last.keys[-1] == len(last.times) - 1:
                        last.keys.pop()
                    at = start + content
                elif kind in _SKIPPED and not unknown:
                    at = start + content
                else:
                    raise NotPlain("its structure is damaged")
            except IndexError:
                raise NotPlain("its structure is damaged") from None
            if at > size:
                raise NotPlain("it is cut off")
        yield self._found(rows)

    def _rows(self) -> dict[int, _Row]:
        return {number: _Row() for number in self._streams}

    def _found(self, rows: Mapping[int, _Row]) -> Found:
        return {
            self._streams[number]: self._batch(self._streams[number], row)
            for number, row in rows.items()
            if row.times
        }

    def _batch(self, index: int, row: _Row) -> Batch:
        times = np.array(row.times, np.int64) - self._delays[index]
        ratio = self._tick / self._tracks[index].time_base
        if ratio != 1:
            times = (2 * times * ratio.numerator + ratio.denominator) // (2 * ratio.denominator)
        sizes, offsets = np.array(row.sizes, np.int64), np.array(row.offsets, np.int64)
        return Batch(NONE, times, NONE, sizes, offsets, np.array(row.keys, np.int64))


def _timed(batch: Batch, rounding: int) -> Batch:
    """The samples with decoding times, which Matroska does not store."""
    if not len(batch.shown):
        return NO_SAMPLES
    shown = even(batch.shown, rounding) if rounding else batch.shown
    decoded = np.sort(shown)
    decoded -= max(0, int((decoded - shown).max()))
    gaps = np.diff(decoded)
    durations = np.append(gaps, int(np.median(gaps)) if len(gaps) else 1)
    return replace(batch, shown=shown, decoded=decoded, durations=durations)


def even(times: Ints, rounding: int) -> Ints:
    """The times of audio frames before they were rounded, by `rounding` ticks of a sample at most.

    Where they are not as regular as frames of one length are, they are left as they are.
    """
    gaps = np.diff(times)
    if not len(gaps):
        return times
    usual = float(np.median(gaps))
    length = min(_FRAME_LENGTHS, key=lambda length: abs(length - usual))
    breaks = np.flatnonzero(np.abs(gaps - length) > 2 * rounding) + 1
    if len(breaks) > len(gaps) * _MOST_BREAKS:
        return times
    runs = [_even(run, length, rounding) for run in np.split(times, breaks)]
    joined: Ints = np.concatenate(runs)
    return joined if np.all(np.diff(joined) > 0) else times


def _even(run: Ints, length: int, rounding: int) -> Ints:
    steps = length * np.arange(len(run))
    regular = steps + int(np.median(run - steps))
    return regular if np.abs(regular - run).max() <= rounding else run
