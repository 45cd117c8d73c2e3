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
_IN_PACKETS = frozenset({b"mp4a", b"ac-3", b"ec-3", b"Opus", b"alac", b"fLaC"})
"""Codecs whose samples have the size that the table says. QuickTime says 1 for PCM, whatever its size is."""
_LEAD = Fraction(1, 2)
"""Seconds of audio before a keyframe that decoders may need."""
_MOST_ENTRIES = 1 << 22
"""Of a track's tables; 10 hours have half as many. All may have to be unpacked, and a few bytes can say that
there are billions."""
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
    stored = [track for track in tracks if track.samples.count]
    small = [track for track in stored if track.handler in (TEXT, TIMECODE)]
    timed = [track for track in stored if track.handler not in (TEXT, TIMECODE)]
    for track in timed:
        if track.handler == AUDIO and track.samples.uniform and track.coding not in _IN_PACKETS:
            raise NotPlain("its audio is not compressed")
    if any(track.samples.entries > _MOST_ENTRIES for track in stored):
        raise NotPlain("its index is too large")
    for track in small:
        yield from _whole(track.samples)
    first = min((_first_seconds(track) for track in timed), default=Fraction(0))
    for track in timed:
        yield from _extents(track.samples, 0, _behind(track, floor(first / track.tick)))
    for start, stop in stretches:
        begin = min(_entry(track, start - margin.before, index.tick) for track in timed)
        for track in timed:
            lead = 0 if track.handler == VIDEO else _LEAD
            sample = track.samples.at(_to_ticks(track, begin - lead, index.tick))
            last = _behind(track, _to_ticks(track, stop + margin.after, index.tick))
            yield from _extents(track.samples, sample, last)


def _entry(track: Track, at: Fraction, file_tick: Fraction) -> Fraction:
    """When the track's last keyframe at or before a time is decoded: a clip takes all tracks from there."""
    ticks = _to_ticks(track, at, file_tick)
    key = track.samples.at(ticks)
    if track.handler == VIDEO:
        keys = track.samples.keys(0, key + 1)
        key = int(keys[-1]) if len(keys) else 0
    return at - (ticks - int(track.samples.decoded(key, key + 1)[0])) * track.tick


def _behind(track: Track, at: int) -> int:
    """The sample behind the one that is decoded at this tick."""
    return min(track.samples.count, track.samples.at(at) + 1)


def _first_seconds(track: Track) -> Fraction:
    """Seconds from the beginning that hold `FIRST_BYTES` of this track, at most `FIRST_SECONDS`."""
    table = track.samples
    last = _behind(track, floor(FIRST_SECONDS / track.tick))
    sample = int(np.searchsorted(np.cumsum(table.sizes(0, last)), FIRST_BYTES))
    if sample + 1 >= last:
        return Fraction(FIRST_SECONDS)
    return int(table.decoded(sample, sample + 1)[0]) * track.tick


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
