"""Which bytes of an MP4 or MOV a cut reads, by its index. Pure.

Tracks of any codec count: what is planned here is read by libavformat too, where the index reader does not
know them. Times are seconds as a player of the recording shows them.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor

import numpy as np

from agent.cutting.formats.arrays import Ints
from agent.cutting.formats.mp4 import AUDIO, TEXT, TIMECODE, VIDEO, Index, Track
from agent.cutting.formats.mp4_tables import SampleTable
from agent.cutting.formats.spans import Span, Spans, joined
from agent.cutting.indexed.not_plain import NotPlain
from agent.cutting.plan.extent import REACH

Stretch = tuple[Fraction, Fraction]
"""In-point and out-point."""


@dataclass(frozen=True)
class Margin:
    """How much of the recording is read around a cut, in seconds."""

    before: Fraction
    """Then back to the next keyframe."""
    after: Fraction


NEAR = Margin(Fraction(1), Fraction(4))
"""Enough where a clip can begin at each keyframe."""
WIDE = Margin(REACH, Fraction(12))
"""All that a cut may read."""

FIRST_SECONDS, FIRST_BYTES = 12, 6 << 20
"""Of each track: what libavformat reads to find out what the recording holds (5 MB at most)."""
GAP = 256 << 10
"""Bytes that are read for nothing rather than asked for apart."""
_SMALL_BYTES, _FEW = 8 << 20, 16
"""Of a track that libavformat reads when it opens the file, such as chapters: the spans that it may have."""


def needed(index: bytes | mmap.mmap, stretches: Sequence[Stretch], margin: Margin) -> Spans:
    """What cuts of these stretches read besides the boxes of the file, by the content of its `moov`.

    Raises `NotPlain` where that can't be said.
    """
    try:
        return joined(_spans(Index.of(index), stretches, margin), GAP)
    except (ValueError, KeyError, IndexError, ArithmeticError, TypeError) as error:
        raise NotPlain(f"its index is damaged: {error}") from None


def ends_before(index: bytes | mmap.mmap, at: Fraction) -> bool:
    """Whether the recording ends before this time, by its index."""
    try:
        content = Index.of(index)
        tracks = [track for track in content.tracks if track.handler in (VIDEO, AUDIO)]
        return all(_to_ticks(track, at, content.tick) > track.samples.duration for track in tracks)
    except (ValueError, KeyError, IndexError, ArithmeticError, TypeError):
        return False


def _spans(index: Index, stretches: Sequence[Stretch], margin: Margin) -> Iterator[Span]:
    if index.fragmented:
        raise NotPlain("it is fragmented")
    tracks = index.tracks
    if not any(track.handler == VIDEO for track in tracks):
        raise NotPlain("it holds no video")
    for track in tracks:
        if not track.samples.count:
            continue
        if track.handler in (TEXT, TIMECODE):
            yield from _whole(track.samples)
            continue
        yield from _beginning(track)
        for start, stop in stretches:
            begin = _to_ticks(track, start - margin.before, index.tick)
            end = _to_ticks(track, stop + margin.after, index.tick)
            yield from _around(track.samples, begin, end)


def _around(table: SampleTable, begin: int, end: int) -> Iterator[Span]:
    """From the keyframe at or before `begin` to `end`, in ticks of the track."""
    first = table.at(begin)
    keys = table.keys(0, first + 1)
    yield from _extents(table, int(keys[-1]) if len(keys) else 0, min(table.count, table.at(end) + 1))


def _beginning(track: Track) -> Iterator[Span]:
    table = track.samples
    last = min(table.count, table.at(floor(FIRST_SECONDS / track.tick)) + 1)
    before = np.cumsum(table.sizes(0, last))
    return _extents(table, 0, min(last, int(np.searchsorted(before, FIRST_BYTES)) + 2))


def _whole(table: SampleTable) -> Spans:
    spans = joined(_extents(table, 0, table.count), GAP)
    if len(spans) > _FEW or sum(end - begin for begin, end in spans) > _SMALL_BYTES:
        raise NotPlain("it may have chapters all over the file")
    return spans


def _extents(table: SampleTable, first: int, last: int) -> Iterator[Span]:
    """Where samples lie, one after another or close together."""
    offsets, sizes = table.offsets(first, last), table.sizes(first, last)
    if not len(offsets):
        return
    order: Ints = np.argsort(offsets, kind="stable")
    begins = offsets[order]
    ends: Ints = np.maximum.accumulate(begins + sizes[order])
    breaks = np.flatnonzero(begins[1:] - ends[:-1] > GAP) + 1
    heads = np.concatenate([[0], breaks])
    tails = np.append(breaks, len(begins)) - 1
    yield from zip(begins[heads].tolist(), ends[tails].tolist(), strict=True)


def _to_ticks(track: Track, at: Fraction, file_tick: Fraction) -> int:
    """A time on the track's own time line. Raises `NotPlain` where its edits are more than a shift."""
    edits, delay = track.edits, Fraction(0)
    if edits and edits[0].start == -1:
        delay = edits.pop(0).length * file_tick
    if len(edits) > 1 or any(edit.rate != 1 << 16 or edit.start < 0 for edit in edits):
        raise NotPlain("it is edited")
    shift = sum(edit.start for edit in edits)
    return max(0, floor((at - delay) / track.tick) + shift)
