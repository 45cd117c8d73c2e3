"""The sample tables of one track (ISO/IEC 14496-12, 8.6 and 8.7), read only where they are asked.

The tables of ten hours are 40 MB; they stay as they lie in the file, and only what a clip needs is unpacked.
All times in ticks of the track.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from agent.cutting.formats.arrays import Ints


class _Runs:
    """A table of (count, value) pairs."""

    def __init__(self, data: memoryview, *, signed: bool = False) -> None:
        counts, self._values = _rows(data, 2, "i4" if signed else "u4").T
        self._ends = np.cumsum(counts, dtype=np.int64)
        self.sums = np.cumsum(counts.astype(np.int64) * self._values)
        """The sum of all values up to each pair's end."""

    @property
    def length(self) -> int:
        """How many samples the table is about."""
        return int(self._ends[-1]) if len(self._ends) else 0

    def values(self, first: int, last: int) -> Ints:
        """Of the samples from `first` up to `last`."""
        if first >= last:
            return np.zeros(0, np.int64)
        a, b = np.searchsorted(self._ends, [first, last - 1], "right")
        ends = np.minimum(self._ends[a : b + 1], last)
        counts = np.diff(ends, prepend=first)
        return np.repeat(self._values[a : b + 1].astype(np.int64), counts)

    def sum_before(self, sample: int) -> int:
        """The sum of the values of all samples before this one."""
        run = int(np.searchsorted(self._ends, sample, "right"))
        if run == len(self._ends):
            return int(self.sums[-1]) if run else 0
        start = int(self._ends[run - 1]) if run else 0
        before = int(self.sums[run - 1]) if run else 0
        return before + (sample - start) * int(self._values[run])

    def reaching(self, total: int) -> int:
        """The last sample before which the sum is at most `total`."""
        run = int(np.searchsorted(self.sums, total, "right"))
        if run == len(self._ends):
            return self.length - 1
        start = int(self._ends[run - 1]) if run else 0
        before = int(self.sums[run - 1]) if run else 0
        value = int(self._values[run])
        return start + ((total - before) // value if value else 0)


class SampleTable:
    """Where each sample lies in the file, and when it is decoded and shown."""

    def __init__(self, boxes: Mapping[str, memoryview]) -> None:
        """`boxes`: the contents of those in the track's `stbl`. Raises `ValueError`."""
        try:
            self._decoding = _Runs(boxes["stts"])
            signed = "ctts" in boxes and boxes["ctts"][0] == 1
            self._shifts = _Runs(boxes["ctts"], signed=signed) if "ctts" in boxes else None
            self._each = int.from_bytes(boxes["stsz"][4:8], "big")
            self.count = int.from_bytes(boxes["stsz"][8:12], "big")
            self._sizes = None if self._each else np.frombuffer(boxes["stsz"], ">u4", self.count, 12)
            self._chunk_runs = _rows(boxes["stsc"], 3)
            wide = "co64" in boxes
            self._chunks = _rows(boxes["co64" if wide else "stco"], 1, "u8" if wide else "u4")[:, 0]
            self._keys = _rows(boxes["stss"], 1)[:, 0] if "stss" in boxes else None
        except (KeyError, ValueError, IndexError) as error:
            raise ValueError(f"its tables are incomplete ({error})") from None
        self._check_lengths()

    def _check_lengths(self) -> None:
        first = self._chunk_runs[:, 0].astype(np.int64)
        samples = np.diff(first, append=len(self._chunks) + 1) * self._chunk_runs[:, 1]
        self._chunk_ends = np.cumsum(samples)
        self._chunk_first = first - 1
        lengths = {self.count, self._decoding.length, int(self._chunk_ends[-1]) if len(first) else 0}
        if self._shifts is not None:
            lengths.add(self._shifts.length)
        if len(lengths) != 1:
            raise ValueError("its tables are of different lengths")
        if np.any(self._chunk_runs[:, 2] != 1):
            raise ValueError("it changes its coding on the way")

    @property
    def uniform(self) -> bool:
        """Whether the table has one size for all samples."""
        return self._sizes is None

    @property
    def entries(self) -> int:
        """How many samples and chunks there are."""
        return self.count + len(self._chunks)

    @property
    def duration(self) -> int:
        """When the last sample ends."""
        return self._decoding.sum_before(self.count)

    def at(self, time: int) -> int:
        """The last sample that is decoded at or before `time`; at least 0."""
        return max(0, self._decoding.reaching(time))

    def decoded(self, first: int, last: int) -> Ints:
        """When the samples from `first` up to `last` are decoded."""
        durations = self._decoding.values(first, last)
        return self._decoding.sum_before(first) + np.cumsum(durations) - durations

    def shown(self, first: int, last: int) -> Ints:
        """When they are shown."""
        decoded = self.decoded(first, last)
        return decoded if self._shifts is None else decoded + self._shifts.values(first, last)

    def durations(self, first: int, last: int) -> Ints:
        """How long each is."""
        return self._decoding.values(first, last)

    def sizes(self, first: int, last: int) -> Ints:
        """Bytes of each."""
        if self._sizes is None:
            return np.full(last - first, self._each, np.int64)
        sizes: Ints = self._sizes[first:last].astype(np.int64)
        return sizes

    def offsets(self, first: int, last: int) -> Ints:
        """Where each begins in the file."""
        if first >= last:
            return np.zeros(0, np.int64)
        begin, chunk_begin = self._chunk_of(first)
        end, _ = self._chunk_of(last - 1)
        chunks = np.arange(begin, end + 1)
        counts = self._chunk_runs[np.searchsorted(self._chunk_first, chunks, "right") - 1, 1].astype(np.int64)
        sizes = self.sizes(chunk_begin, min(self.count, chunk_begin + int(counts.sum())))
        before = np.cumsum(sizes) - sizes
        heads = np.cumsum(counts) - counts
        at = np.repeat(self._chunks[chunks].astype(np.int64) - before[heads], counts)[: len(sizes)] + before
        within: Ints = at[first - chunk_begin : last - chunk_begin]
        return within

    def _chunk_of(self, sample: int) -> tuple[int, int]:
        """The chunk, from 0, that holds a sample, and its first sample."""
        run = int(np.searchsorted(self._chunk_ends, sample, "right"))
        start = int(self._chunk_ends[run - 1]) if run else 0
        each = int(self._chunk_runs[run, 1])
        skipped = (sample - start) // each
        return int(self._chunk_first[run]) + skipped, start + skipped * each

    def keys(self, first: int, last: int) -> Ints:
        """The samples from `first` up to `last` that are marked as keyframes."""
        if self._keys is None:
            return np.arange(first, last)
        a, b = np.searchsorted(self._keys, [first + 1, last + 1])
        return self._keys[a:b].astype(np.int64) - 1


def _rows(data: memoryview, columns: int, kind: str = "u4") -> NDArray[np.uint32]:
    """A table behind its version, flags and count."""
    count = int.from_bytes(data[4:8], "big")
    numbers: NDArray[np.uint32] = np.frombuffer(data, f">{kind}", count * columns, 8)
    return numbers.reshape(-1, columns)
