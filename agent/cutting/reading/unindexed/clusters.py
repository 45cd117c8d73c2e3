"""Matroska and WebM, as their clusters say it. Those without an index are still written, or their program
has died.

Element ids are those of RFC 9559.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import BinaryIO

from agent.cutting.formats import ebml
from agent.cutting.formats.ebml import elements, size_length
from agent.cutting.reading.unindexed.landmarks import Landmark

_FIRST_IN_CLUSTER = frozenset({ebml.TIME, ebml.CHECKSUM, 0xA7, 0xAB})
"""The time, or what may stand before it: a checksum, a position, the size of the cluster before."""
_USUAL_SCALE = 1_000_000
_HEADER_BYTES = (64 << 10, 4 << 20)
"""Read for the header: it is seldom larger than the first of these."""
_NANO = Fraction(1, 1_000_000_000)


@dataclass(frozen=True)
class Entry:
    """A track as the header describes it."""

    number: int
    """In its blocks."""
    kind: int
    """1: video, 2: audio."""
    delay: int
    """Nanoseconds that its times are ahead of when it is played."""
    plain: bool
    """Whether its blocks are stored as they are, with times in the file's ticks."""


@dataclass(frozen=True)
class Clusters:
    """A `Layout`; see there."""

    size: int
    header_end: int
    scale: int
    """Nanoseconds a tick."""
    indexed: bool
    """Whether the header names an index."""
    tracks: tuple[Entry, ...]
    signature: bytes = ebml.CLUSTER.to_bytes(4, "big")
    signature_at: int = 0

    @property
    def tick(self) -> Fraction:
        """Seconds."""
        return self.scale * _NANO

    def landmark(self, file: BinaryIO, offset: int) -> Landmark | None:
        """The cluster that begins there."""
        file.seek(offset)
        data = file.read(64)
        try:
            for element in elements(data, 4 + size_length(data[4]), len(data)):
                if element.id == ebml.TIME:
                    return Landmark(offset, element.number(data) * self.tick)
                if element.id not in _FIRST_IN_CLUSTER:
                    return None
        except IndexError:
            return None
        return None


def clusters(file: BinaryIO, size: int) -> Clusters | None:
    """The layout of a Matroska file; None when it is none, or damaged."""
    for most in _HEADER_BYTES:
        file.seek(0)
        data = file.read(min(size, most))
        if int.from_bytes(data[:4], "big") != ebml.EBML:
            return None
        try:
            found = _layout(data, size)
        except IndexError:
            found = None  # damaged: libavformat may know more
        if found is not None:
            return found
    return None


def _layout(data: bytes, size: int) -> Clusters | None:
    """Raises `IndexError`."""
    top = list(elements(data, 0, len(data), into={ebml.SEGMENT}))
    ids = [element.id for element in top]
    if ids[:2] != [ebml.EBML, ebml.SEGMENT] or ebml.CLUSTER not in ids:
        return None
    scale, indexed, tracks = _USUAL_SCALE, ebml.CUES in ids, []
    for element in top:
        if element.id == ebml.SEEK_HEAD:
            indexed = indexed or _names_cues(data, element)
        inner = elements(data, element.start, element.end) if element.id in (ebml.INFO, ebml.TRACKS) else ()
        for child in inner:
            if element.id == ebml.INFO and child.id == ebml.SCALE:
                scale = child.number(data)
            elif element.id == ebml.TRACKS and child.id == ebml.TRACK:
                tracks.append(_entry(data, child))
    first = next(element for element in top if element.id == ebml.CLUSTER)
    return Clusters(size, first.begin, scale, indexed, tuple(tracks))


def _entry(data: bytes, track: ebml.Element) -> Entry:
    inner = {child.id: child for child in elements(data, track.start, track.end)}

    def number(kind: int) -> int:
        return inner[kind].number(data) if kind in inner else 0

    plain = not inner.keys() & {ebml.CODINGS, ebml.TRACK_SCALE}
    return Entry(number(ebml.TRACK_NUMBER), number(ebml.TRACK_TYPE), number(ebml.CODEC_DELAY), plain)


def _names_cues(data: bytes, head: ebml.Element) -> bool:
    for seek in elements(data, head.start, head.end):
        for inner in elements(data, seek.start, seek.end) if seek.id == ebml.SEEK else ():
            if inner.id == ebml.SEEK_ID and inner.number(data) == ebml.CUES:
                return True
    return False
