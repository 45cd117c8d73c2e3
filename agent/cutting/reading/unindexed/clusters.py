"""Matroska and WebM without an index: recordings that are still written, or whose program has died.

Element ids are those of RFC 9559.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import BinaryIO

from agent.cutting.reading.unindexed.landmarks import Landmark

_EBML, _SEGMENT, _CLUSTER = 0x1A45DFA3, 0x18538067, 0x1F43B675
_SEEK_HEAD, _SEEK, _SEEK_ID = 0x114D9B74, 0x4DBB, 0x53AB
_INFO, _SCALE = 0x1549A966, 0x2AD7B1
_CUES, _TIME = 0x1C53BB6B, 0xE7
_FIRST_IN_CLUSTER = frozenset({_TIME, 0xBF, 0xA7, 0xAB})
"""The time, or what may stand before it: a checksum, a position, the size of the cluster before."""
_USUAL_SCALE = 1_000_000
_HEADER_BYTES = 4 << 20
_NANO = Fraction(1, 1_000_000_000)


@dataclass(frozen=True)
class Clusters:
    """A `Layout`; see there."""

    size: int
    header_end: int
    scale: int
    """Nanoseconds a tick."""
    signature: bytes = _CLUSTER.to_bytes(4, "big")
    signature_at: int = 0

    def landmark(self, file: BinaryIO, offset: int) -> Landmark | None:
        """The cluster that begins there."""
        file.seek(offset)
        data = file.read(64)
        try:
            for element in _elements(data, 4 + _size_length(data[4]), len(data)):
                if element.id == _TIME:
                    ticks = int.from_bytes(data[element.start : element.end], "big")
                    return Landmark(offset, ticks * self.scale * _NANO)
                if element.id not in _FIRST_IN_CLUSTER:
                    return None
        except IndexError:
            return None
        return None


def clusters(file: BinaryIO, size: int) -> Clusters | None:
    """The layout of a Matroska file without an index; None when it has one, or is no Matroska file."""
    file.seek(0)
    if int.from_bytes(file.read(4), "big") != _EBML:
        return None
    file.seek(0)
    data = file.read(min(size, _HEADER_BYTES))
    try:
        return _layout(data, size)
    except IndexError:
        return None  # damaged: libavformat may know more


def _layout(data: bytes, size: int) -> Clusters | None:
    """Raises `IndexError`."""
    top = list(_elements(data, 0, len(data), into={_SEGMENT}))
    ids = [element.id for element in top]
    if ids[:2] != [_EBML, _SEGMENT] or _CLUSTER not in ids or _CUES in ids:
        return None
    scale = _USUAL_SCALE
    for element in top:
        if element.id == _SEEK_HEAD and _names_cues(data, element):
            return None
        if element.id == _INFO:
            for inner in _elements(data, element.start, element.end):
                if inner.id == _SCALE:
                    scale = int.from_bytes(data[inner.start : inner.end], "big")
    first = next(element for element in top if element.id == _CLUSTER)
    return Clusters(size, first.begin, scale)


@dataclass(frozen=True)
class _Element:
    id: int
    begin: int
    start: int
    """Of its content."""
    end: int


def _names_cues(data: bytes, head: _Element) -> bool:
    for seek in _elements(data, head.start, head.end):
        for inner in _elements(data, seek.start, seek.end) if seek.id == _SEEK else ():
            if inner.id == _SEEK_ID and int.from_bytes(data[inner.start : inner.end], "big") == _CUES:
                return True
    return False


def _elements(
    data: bytes, at: int, end: int, into: frozenset[int] | set[int] = frozenset()
) -> Iterator[_Element]:
    """The elements up to the first cluster; of those in `into`, the contents too. Raises `IndexError`."""
    while at < end:
        begin = at
        number = int.from_bytes(data[at : at + _size_length(data[at])], "big")
        at += _size_length(data[at])
        length = _size_length(data[at])
        size = int.from_bytes(data[at : at + length], "big") & (1 << 7 * length) - 1
        at += length
        unknown = size == (1 << 7 * length) - 1
        yield _Element(number, begin, at, end if unknown else at + size)
        if number == _CLUSTER:
            return
        if number not in into:
            at = end if unknown else at + size


def _size_length(first: int) -> int:
    """Bytes of a number that begins with `first`."""
    if not first:
        raise IndexError
    return 9 - first.bit_length()
