"""The fragments of an MP4 (ISO/IEC 14496-12, 8.8): which samples a `moof` describes."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from agent.cutting.formats.arrays import Ints
from agent.cutting.formats.mp4 import Box, Boxes, number_at
from agent.cutting.formats.samples import Batch, joined

_BASE, _DESCRIPTION, _DURATION, _SIZE, _FLAGS = 0x1, 0x2, 0x8, 0x10, 0x20
_BASE_IS_MOOF = 0x20000
"""Flags of `tfhd`."""
_RUN_OFFSET, _RUN_FIRST_FLAGS = 0x1, 0x4
_RUN_FIELDS = (0x100, 0x200, 0x400, 0x800)
"""Flags of `trun`: each sample's duration, size, flags and shift between decoding and showing."""
_NOT_SYNC = 0x10000 | 0x1000000
"""Flags of a sample: it is no keyframe, or depends on others."""
_MOST_SAMPLES = 1 << 20
"""In a run: a damaged count must not take all memory."""


@dataclass(frozen=True)
class Defaults:
    """What holds for the samples of a track where its fragments say nothing else."""

    description: int
    duration: int
    size: int
    flags: int


def defaults_of(moov: bytes) -> dict[int, Defaults]:
    """By the tracks' ids, out of the content of a `moov`. Raises `ValueError` and `KeyError`."""
    file = Boxes.of(moov)
    extends = file.first(Box("moov", 0, len(moov)), "mvex")
    found = {}
    for box in file.within(extends):
        if box.type == "trex":
            track, *values = struct.unpack(">5I", file.content(box)[4:24])
            found[track] = Defaults(*values)
    return found


def samples_of(moof: bytes, offset: int, defaults: Mapping[int, Defaults]) -> dict[int, Batch]:
    """The samples that a fragment describes, by the tracks' ids.

    `moof`: the whole box, which begins at `offset` of the file. Raises `ValueError` when it is damaged, or
    does not say when its samples are decoded.
    """
    file = Boxes.of(moof)
    found: dict[int, list[Batch]] = {}
    end = offset
    try:
        for box in file.within(Box("moof", 8, len(moof))):
            if box.type == "traf":
                track, batches, end = _track_fragment(file, box, offset, end, defaults)
                found.setdefault(track, []).extend(batches)
    except (KeyError, IndexError, struct.error) as error:
        raise ValueError(f"a fragment is damaged ({error})") from None
    return {track: joined(batches) for track, batches in found.items() if batches}


def _track_fragment(
    file: Boxes, box: Box, moof: int, end: int, defaults: Mapping[int, Defaults]
) -> tuple[int, list[Batch], int]:
    """The track, its samples, and where their data ends; `end`: of the data of the track before."""
    children = list(file.within(box))
    header = file.content(file.first(box, "tfhd"))
    flags, track = number_at(header, 0) & 0xFFFFFF, number_at(header, 4)
    usual, base = _defaults(header, flags, defaults[track])
    if usual.description != 1:
        raise ValueError("it changes its coding on the way")
    if base is None:
        base = moof if flags & _BASE_IS_MOOF or end == moof else end
    runs = [file.content(child) for child in children if child.type == "trun"]
    times = [file.content(child) for child in children if child.type == "tfdt"]
    if runs and len(times) != 1:
        raise ValueError("a fragment does not say when it begins")
    at = int.from_bytes(times[0][4 : 12 if times[0][0] else 8], "big") if times else 0
    batches, behind = [], base
    for run in runs:
        batch = _run(run, at, base, behind, usual)
        if len(batch.sizes):
            at = int(batch.decoded[-1] + batch.durations[-1])
            behind = int(batch.offsets[-1] + batch.sizes[-1])
            batches.append(batch)
    return track, batches, behind


def _defaults(header: memoryview, flags: int, usual: Defaults) -> tuple[Defaults, int | None]:
    """What a `tfhd` says, and where data offsets count from."""
    at, base = 8, None
    if flags & _BASE:
        base, at = int.from_bytes(header[at : at + 8], "big"), at + 8
    values = [usual.description, usual.duration, usual.size, usual.flags]
    for position, flag in enumerate((_DESCRIPTION, _DURATION, _SIZE, _FLAGS)):
        if flags & flag:
            values[position] = number_at(header, at)
            at += 4
    return Defaults(*values), base


def _run(run: memoryview, at: int, base: int, behind: int, usual: Defaults) -> Batch:
    """The samples of a `trun` that is decoded from `at` on; `behind`: where the run before it ends."""
    flags, count, place = number_at(run, 0) & 0xFFFFFF, number_at(run, 4), 8
    if count > _MOST_SAMPLES:
        raise ValueError("a fragment is too large")
    if flags & _RUN_OFFSET:
        behind = base + int.from_bytes(run[place : place + 4], "big", signed=True)
        place += 4
    first = usual.flags
    if flags & _RUN_FIRST_FLAGS:
        first, place = number_at(run, place), place + 4
    present = [bool(flags & field) for field in _RUN_FIELDS]
    rows = np.frombuffer(run, ">u4", count * sum(present), place).reshape(count, sum(present))
    columns = iter(rows.T)
    durations, sizes, kinds, shifts = (
        next(columns).astype(np.int64) if there else np.full(count, value, np.int64)
        for there, value in zip(present, (usual.duration, usual.size, usual.flags, 0), strict=True)
    )
    if flags & _RUN_FIRST_FLAGS and count:
        kinds[0] = first
    if run[0] and present[3]:
        shifts = _signed(shifts)
    decoded = at + np.cumsum(durations) - durations
    return Batch(
        decoded=decoded,
        shown=decoded + shifts,
        durations=durations,
        sizes=sizes,
        offsets=behind + np.cumsum(sizes) - sizes,
        keys=np.flatnonzero(kinds & _NOT_SYNC == 0),
    )


def _signed(values: Ints) -> Ints:
    return np.where(values >> 31, values - (1 << 32), values)
