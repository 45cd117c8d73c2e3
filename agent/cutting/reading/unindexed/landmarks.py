"""Finding a moment in a recording without an index, by bisection: the file says everywhere when it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import BinaryIO, Protocol

from agent.cutting.reading.holes import data_end, next_data

_BLOCK = 1 << 20
_CLOSE_ENOUGH = 4 << 20
"""Bytes: nearer than that a search reads on instead of jumping."""
_NEAR_SECONDS = Fraction(10)
"""What lies between a place and the moment that is looked for is read by its headers alone."""
_OVERLAP = 64
"""Bytes that a landmark's beginning may take."""


@dataclass(frozen=True)
class Landmark:
    """A place where reading can begin."""

    offset: int
    time: Fraction
    """Seconds on the container's own time line."""


class Layout(Protocol):
    """What a container says of itself."""

    @property
    def size(self) -> int:
        """Of the file, in bytes."""

    @property
    def header_end(self) -> int:
        """Behind what must be read first; there the first landmark is."""

    @property
    def signature(self) -> bytes:
        """What a landmark holds `signature_at` bytes behind its beginning."""

    @property
    def signature_at(self) -> int:
        """See `signature`."""

    def landmark(self, file: BinaryIO, offset: int) -> Landmark | None:
        """The landmark that begins there, if it truly is one."""


class Landmarks:
    """Those of an open file."""

    def __init__(self, file: BinaryIO, layout: Layout) -> None:
        self._file = file
        self._layout = layout

    def before(self, time: Fraction) -> int:
        """Where the last landmark at or before `time` begins, or the first of all."""
        low, high = self._layout.header_end, self._layout.size
        while high - low > _CLOSE_ENOUGH:
            middle = (low + high) // 2
            found = next(self._from(middle, high), None)
            if found is not None and found.time <= time:
                low = found.offset
            else:
                high = middle
        for found in self._from(low, high):
            if found.time > time:
                break
            low = found.offset
        return low

    def near(self, time: Fraction, end: Fraction | None = None) -> int:
        """Where a landmark at or before `time` begins, not many seconds before it, or the first of all.

        `end`: when the recording ends, if that is known; a place is then found with fewer reads.
        """
        low, high = self._layout.header_end, self._layout.size
        begun = self._layout.landmark(self._file, low)
        since, until = begun.time if begun is not None else None, end
        halve = False
        while high - low > _CLOSE_ENOUGH:
            if since is not None and time - since <= _NEAR_SECONDS:
                break
            middle = (low + high) // 2
            if not halve and since is not None and until is not None and until > since:
                share = (time - since - _NEAR_SECONDS / 2) / (until - since)
                middle = low + int((high - low) * min(max(share, Fraction(1, 50)), Fraction(49, 50)))
            found = next(self._from(middle, high), None)
            before = high - low
            if found is not None and found.time <= time:
                low, since = found.offset, found.time
            else:
                high, until = middle, until if found is None else found.time
            halve = high - low > before // 2  # the data is spread unevenly
        return low

    def after(self, time: Fraction) -> int:
        """Where the first landmark behind `time` begins, or the file's end."""
        first: int | None = None
        for found in self._from(self.before(time), self._layout.size):
            if found.time <= time:
                first = None
            elif first is None:
                # A frame that is shown long after its neighbours may have a landmark before theirs.
                first = found.offset
            else:
                return first
        return self._layout.size if first is None else first

    def last(self) -> int:
        """Where the last one begins."""
        end = self._layout.size
        while end > self._layout.header_end:
            start = max(self._layout.header_end, end - _BLOCK)
            found = list(self._from(start, end))
            if found:
                return found[-1].offset
            end = max(self._layout.header_end, data_end(self._file.fileno(), start))
        return self._layout.header_end

    def _from(self, start: int, end: int) -> Iterator[Landmark]:
        """The landmarks that begin from `start` to `end`."""
        signature, ahead = self._layout.signature, self._layout.signature_at
        while start < end:
            self._file.seek(start)
            block = self._file.read(_BLOCK + _OVERLAP)
            if block.count(0) == len(block):
                behind = next_data(self._file.fileno(), start)
                if behind is None:
                    return
                start = max(start + _BLOCK, behind - _OVERLAP)
                continue
            at = block.find(signature)
            while at >= 0:
                offset = start + at - ahead
                if start <= offset < min(end, start + _BLOCK):
                    found = self._layout.landmark(self._file, offset)
                    if found is not None:
                        yield found
                at = block.find(signature, at + 1)
            start += _BLOCK
