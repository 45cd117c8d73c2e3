"""Reads the samples of a fragmented MP4 from its fragments."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from typing import BinaryIO

from agent.cutting.formats.mp4 import Index
from agent.cutting.formats.mp4_fragments import defaults_of, samples_of
from agent.cutting.indexed.excerpt import Found
from agent.cutting.indexed.not_plain import NotPlain
from agent.cutting.indexed.tracks import Trak, fragmented_tracks
from agent.cutting.reading.ahead import ReadAhead
from agent.cutting.reading.unindexed.fragments import Fragments
from agent.cutting.reading.unindexed.landmarks import Landmarks

_LOOK_BYTES = 4096
"""Most descriptions of fragments are shorter."""
_KNOWN = frozenset(
    {
        b"moof",
        b"mdat",
        b"styp",
        b"sidx",
        b"ssix",
        b"mfra",
        b"free",
        b"skip",
        b"uuid",
        b"emsg",
        b"prft",
        b"pdin",
        b"meta",
        b"moov",
    }
)
"""Boxes between fragments."""
_LARGEST = 64 << 20


class FragmentReader:
    """A `Reader`."""

    def __init__(self, file: BinaryIO, layout: Fragments, end: Fraction | None) -> None:
        """`end`: when the recording ends, if that is known. Raises `NotPlain`."""
        self._file = file
        self._size = layout.size
        self._landmarks = Landmarks(file, layout)
        self._end = end
        self._index = os.pread(file.fileno(), layout.index.end - layout.index.start, layout.index.start)
        self.first = layout.header_end
        self.between = 0
        try:
            self._defaults = defaults_of(self._index)
            self._streams = {track.number: at for at, track in enumerate(Index.of(self._index).tracks)}
        except (ValueError, KeyError, IndexError) as error:
            raise NotPlain(f"its index is damaged: {error}") from None

    def near(self, time: Fraction) -> int:
        """See `Reader`."""
        return self._landmarks.near(time, self._end)

    def batches(self, begin: int, end: int | None = None) -> Iterator[Found]:
        """See `Reader`."""
        at, end = begin, self._size if end is None else end
        ahead = ReadAhead(self._file.fileno(), begin)
        while at + 8 <= end:
            ahead.reached(at)
            data = os.pread(self._file.fileno(), _LOOK_BYTES, at)
            size, kind = int.from_bytes(data[:4], "big"), data[4:8]
            if size == 1:
                size = int.from_bytes(data[8:16], "big")
            elif size == 0:
                size = self._size - at
            if size < 8 or len(data) < 8:
                raise NotPlain("its structure is damaged")
            if kind not in _KNOWN:
                raise NotPlain("its structure is damaged")
            if at + size > self._size:
                return  # it is still being written
            if kind == b"moof":
                if size > len(data):
                    if size > _LARGEST:
                        raise NotPlain("its fragments are too large")
                    data = os.pread(self._file.fileno(), size, at)
                yield self._described(data[:size], at)
            at += size

    def tracks(self, found: Found) -> dict[int, Trak]:
        """See `Reader`."""
        numbers = {at: number for number, at in self._streams.items()}
        return dict(
            enumerate(fragmented_tracks(self._index, {numbers[at]: batch for at, batch in found.items()}))
        )

    def _described(self, moof: bytes, at: int) -> Found:
        try:
            found = samples_of(moof, at, self._defaults)
        except ValueError as error:
            raise NotPlain(str(error)) from None
        if any(int((b.offsets + b.sizes).max()) > self._size for b in found.values()):
            raise NotPlain("it is cut off")
        if any(int(b.offsets.min()) < 0 for b in found.values()):
            raise NotPlain("its structure is damaged")
        return {self._streams[number]: batch for number, batch in found.items() if number in self._streams}
