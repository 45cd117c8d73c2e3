"""The elements of Matroska and WebM files (RFC 8794, RFC 9559)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

EBML, SEGMENT, CLUSTER = 0x1A45DFA3, 0x18538067, 0x1F43B675
SEEK_HEAD, SEEK, SEEK_ID = 0x114D9B74, 0x4DBB, 0x53AB
INFO, SCALE = 0x1549A966, 0x2AD7B1
CUES, TIME = 0x1C53BB6B, 0xE7
TRACKS, TRACK = 0x1654AE6B, 0xAE
TRACK_NUMBER, TRACK_TYPE, CODEC_DELAY = 0xD7, 0x83, 0x56AA
TRACK_SCALE, CODINGS = 0x23314F, 0x6D80
"""Of a track: a factor for its times, and how its blocks are compressed or encrypted."""
CHAPTERS, TAGS, ATTACHMENTS = 0x1043A770, 0x1254C367, 0x1941A469
SIMPLE_BLOCK, BLOCK_GROUP, BLOCK, REFERENCE = 0xA3, 0xA0, 0xA1, 0xFB
VOID, CHECKSUM = 0xEC, 0xBF


@dataclass(frozen=True)
class Element:
    """One element, and where it lies."""

    id: int
    begin: int
    start: int
    """Of its content."""
    end: int

    def number(self, data: bytes) -> int:
        """Its content as an unsigned number."""
        return int.from_bytes(data[self.start : self.end], "big")


def elements(
    data: bytes, at: int, end: int, into: frozenset[int] | set[int] = frozenset()
) -> Iterator[Element]:
    """The elements up to the first cluster; of those in `into`, the contents too. Raises `IndexError`."""
    while at < end:
        begin = at
        number = int.from_bytes(data[at : at + size_length(data[at])], "big")
        at += size_length(data[at])
        length = size_length(data[at])
        size = int.from_bytes(data[at : at + length], "big") & (1 << 7 * length) - 1
        at += length
        unknown = size == (1 << 7 * length) - 1
        yield Element(number, begin, at, end if unknown else at + size)
        if number == CLUSTER:
            return
        if number not in into:
            at = end if unknown else at + size


def size_length(first: int) -> int:
    """Bytes of a number that begins with `first`. Raises `IndexError` when there is no such number."""
    if not first:
        raise IndexError
    return 9 - first.bit_length()
