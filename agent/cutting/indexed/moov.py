"""Writing the index of a clip. Pure: bytes from numbers."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from agent.cutting.formats.arrays import Ints
from agent.cutting.indexed.not_plain import NotPlain
from agent.cutting.indexed.tracks import Trak

_TICKS = 90000
"""Of the file, a second."""
_BRAND = struct.pack(">4sI4s4s4s", b"isom", 512, b"isom", b"iso2", b"mp41")
_WIDE = 1 << 32
_EPOCH = datetime(1904, 1, 1, tzinfo=UTC)
_UNITY = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)


@dataclass(frozen=True)
class Part:
    """One track of the clip: its samples in decoding order, times in the track's ticks."""

    source: Trak
    description: bytes
    """The whole box `stsd`."""
    sizes: Ints
    places: Ints
    """Where each sample begins, counted from the first byte of data."""
    decoded: Ints
    """Growing; the first is decoded at 0."""
    shown: Ints
    """In the same time: `start` is what the clip begins with."""
    last_duration: int
    start: int
    """May be negative: the track then begins later than the clip."""
    keys: Ints | None
    """Positions of keyframes, from 0; None where every sample is one."""


def head(parts: Sequence[Part], data_bytes: int, recorded: datetime | None) -> bytes:
    """Everything in front of the clip's data; `recorded`: when what it begins with was.

    Raises `NotPlain` when a track is too long for fields of 32 bits.
    """
    if any(max(_length(part), _media_length(part)) >= _WIDE for part in parts):
        raise NotPlain("the clip is too long for its index")
    ftyp = _box(b"ftyp", _BRAND)
    large = data_bytes + (64 << 20) >= _WIDE
    data = (
        struct.pack(">I4sQ", 1, b"mdat", data_bytes + 16)
        if large
        else struct.pack(">I4s", data_bytes + 8, b"mdat")
    )
    # The index names places in the file, which depend on how long it is, but not the other way round.
    created = _seconds_since_1904(recorded)
    length = len(_moov(parts, 0, large, created))
    base = len(ftyp) + length + len(data)
    return ftyp + _moov(parts, base, large, created) + data


def _seconds_since_1904(moment: datetime | None) -> int:
    """As the index has it (ISO/IEC 14496-12, 8.2.2); 0 for what does not fit in."""
    seconds = 0 if moment is None else int((moment - _EPOCH).total_seconds())
    return seconds if 0 < seconds < _WIDE else 0


def _moov(parts: Sequence[Part], base: int, large: bool, created: int) -> bytes:
    lengths = [_length(part) for part in parts]
    header = struct.pack(">5IIHH8x", 0, created, created, _TICKS, max(lengths), 1 << 16, 1 << 8, 0) + _UNITY
    header += bytes(24) + struct.pack(">I", len(parts) + 1)
    tracks = [
        _track(part, number, length, base, large)
        for number, (part, length) in enumerate(zip(parts, lengths, strict=True), start=1)
    ]
    return _box(b"moov", _box(b"mvhd", header), *tracks)


def _length(part: Part) -> int:
    """How long the track is in the clip, in the file's ticks, without what its edit hides."""
    end = int(part.shown.max()) + part.last_duration
    return max(0, round((end - max(part.start, 0)) * part.source.time_base * _TICKS)) + _delay(part)


def _media_length(part: Part) -> int:
    """How long all its samples are, in the track's own ticks."""
    return int(part.decoded[-1]) + part.last_duration


def _delay(part: Part) -> int:
    return round(max(0, -part.start) * part.source.time_base * _TICKS)


def _track(part: Part, number: int, length: int, base: int, large: bool) -> bytes:
    media_length = _media_length(part)
    tables = [
        part.description,
        _full(b"stts", _pairs(np.diff(part.decoded, append=media_length))),
    ]
    shifts = part.shown - part.decoded
    if shifts.any():
        tables.append(_full(b"ctts", _pairs(shifts)))
    if part.keys is not None:
        tables.append(_full(b"stss", _counted(part.keys + 1)))
    tables += [
        _full(b"stsc", _chunk_runs(part)),
        _full(b"stsz", struct.pack(">II", 0, len(part.sizes)) + part.sizes.astype(">u4").tobytes()),
        _full(b"co64" if large else b"stco", _counted(_chunk_places(part) + base, ">u8" if large else ">u4")),
    ]
    edits = [(_delay(part), -1)] if part.start < 0 else []
    edits.append((length - _delay(part), max(part.start, 0)))
    edit = struct.pack(">I", len(edits)) + b"".join(struct.pack(">IiI", a, b, 1 << 16) for a, b in edits)
    return _box(
        b"trak",
        _box(b"tkhd", _track_header(part.source.header, number, length)),
        _box(b"edts", _full(b"elst", edit)),
        _box(
            b"mdia",
            _box(b"mdhd", _media_header(part.source, media_length)),
            part.source.handler,
            _box(b"minf", part.source.information, _box(b"stbl", *tables)),
        ),
        *([_box(b"udta", part.source.title)] if part.source.title else []),
    )


def _track_header(original: bytes, number: int, length: int) -> bytes:
    """Version 0, with the size, the rotation and the flags of the recording's."""
    rest = original[36 if original[0] else 24 :]
    return bytes(1) + original[1:4] + struct.pack(">IIIII", 0, 0, number, 0, length) + rest


def _media_header(source: Trak, length: int) -> bytes:
    language = source.media_header[-4:]
    return struct.pack(">IIIII", 0, 0, 0, source.time_base.denominator, length) + language


def _chunks(part: Part) -> tuple[Ints, Ints]:
    """Where each chunk begins and how many samples it has: those that lie behind one another."""
    breaks = np.flatnonzero(part.places[1:] != part.places[:-1] + part.sizes[:-1]) + 1
    first = np.concatenate([[0], breaks]).astype(np.int64)
    return part.places[first], np.diff(first, append=len(part.places))


def _chunk_places(part: Part) -> Ints:
    return _chunks(part)[0]


def _chunk_runs(part: Part) -> bytes:
    _, counts = _chunks(part)
    starts = np.concatenate([[0], np.flatnonzero(np.diff(counts)) + 1]).astype(np.int64)
    rows = np.stack([starts + 1, counts[starts], np.ones_like(starts)], axis=1)
    return struct.pack(">I", len(rows)) + rows.astype(">u4").tobytes()


def _pairs(values: Ints) -> bytes:
    """The values as (count, value) pairs."""
    starts = np.concatenate([[0], np.flatnonzero(np.diff(values)) + 1]).astype(np.int64)
    counts = np.diff(starts, append=len(values))
    rows = np.stack([counts, values[starts]], axis=1)
    return struct.pack(">I", len(rows)) + rows.astype(">u4").tobytes()


def _counted(values: Ints, kind: str = ">u4") -> bytes:
    numbers: NDArray[np.generic] = values.astype(kind)
    return struct.pack(">I", len(numbers)) + numbers.tobytes()


def _full(kind: bytes, content: bytes) -> bytes:
    """A box with a version and flags, both 0."""
    return _box(kind, bytes(4), content)


def _box(kind: bytes, *contents: bytes) -> bytes:
    size = 8 + sum(map(len, contents))
    return struct.pack(">I4s", size, kind) + b"".join(contents)
