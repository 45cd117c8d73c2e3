"""Reads the decoding and display times of a finished clip: from an MP4's index, else from all packets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av.container
import numpy as np

from agent.cutting.formats.mp4 import VIDEO, Box, Edit, Index, Track, top_level
from agent.cutting.formats.streams import tick_of

_MAX_INDEX = 64 << 20
"""Bytes. A clip's index is far smaller."""


class Malformed(Exception):
    """The file's structure is damaged. The text says how."""


@dataclass(frozen=True)
class Timing:
    """One track's packets, in ticks counted from the clip's 0."""

    tick: Fraction
    """Seconds."""
    shown: list[int]
    """In the order of decoding."""
    end: int
    """Where the last shown packet ends; approximate for video."""
    length: Fraction | None
    """The duration of the track that the file states, in seconds; None if it states none."""
    ordered: bool
    """Whether decoding times grow strictly, and none lies behind its packet's being shown."""


def timings_of_boxes(path: Path) -> list[Timing]:
    """The tracks of an MP4 or MOV. Raises `Malformed`, also when the index is behind the data."""
    try:
        top = top_level(path)
        order = [box.type for box in top]
        if order[:1] != ["ftyp"] or order.count("moov") != 1 or order.count("mdat") != 1:
            raise Malformed(f"its boxes are {', '.join(order)}")
        index_box, data = (next(box for box in top if box.type == kind) for kind in ("moov", "mdat"))
        if index_box.start > data.start:
            raise Malformed("its index is behind the data")
        with path.open("rb") as file:
            file.seek(index_box.start)
            index = Index.of(file.read(min(index_box.end - index_box.start, _MAX_INDEX)))
        tracks, tick = index.tracks, index.tick
        if not _filled(tracks, data):
            raise Malformed("its data is not where its index says")
        return [_timing(track, tick) for track in tracks]
    except (ValueError, IndexError, KeyError, ArithmeticError) as error:
        raise Malformed(f"its index is damaged: {error}") from error


def _filled(tracks: Sequence[Track], data: Box) -> bool:
    """Whether samples begin and end the data. Between them there may be the recording's block headers."""
    tables = [track.samples for track in tracks if track.samples.count]
    first = min((int(table.offsets(0, table.count).min()) for table in tables), default=data.start)
    last = max(
        (int((table.offsets(0, table.count) + table.sizes(0, table.count)).max()) for table in tables),
        default=data.end,
    )
    return (first, last) == (data.start, data.end)


def timings_of_packets(clip: av.container.InputContainer) -> list[Timing]:
    """The streams of any container, by reading it from here to its end."""
    shown: dict[int, list[int]] = {stream.index: [] for stream in clip.streams}
    ends: dict[int, int] = {}
    for packet in clip.demux():
        if packet.pts is not None and packet.size:
            shown[packet.stream_index].append(packet.pts)
            end = packet.pts + (packet.duration or 0)
            ends[packet.stream_index] = max(end, ends.get(packet.stream_index, end))
    ticks = {stream.index: tick_of(stream) for stream in clip.streams}
    # Matroska has one length for all tracks.
    length = None if clip.duration is None else clip.duration * Fraction(1, 1_000_000)
    return [Timing(ticks[i], times, ends.get(i, 0), length, ordered=True) for i, times in shown.items()]


def _timing(track: Track, file_tick: Fraction) -> Timing:
    table, tick = track.samples, track.tick
    zero, length = _edit(track.edits, file_tick, tick)
    decoded, shown = table.decoded(0, table.count), table.shown(0, table.count)
    ordered = bool(np.all(shown >= decoded))
    if track.handler == VIDEO:
        ordered = ordered and bool(np.all(np.diff(decoded) > 0))
    return Timing(
        tick=tick,
        shown=(shown - zero).tolist(),
        end=table.duration - zero,
        length=table.duration * tick if length is None else length,
        ordered=ordered,
    )


def _edit(edits: list[Edit], file_tick: Fraction, tick: Fraction) -> tuple[int, Fraction | None]:
    """By its edit list: the track's own time at which the clip's 0 lies, and until when it is played."""
    delay = 0
    for edit in edits:
        if edit.start >= 0:
            played = edit.length * file_tick + delay * tick
            return edit.start - delay, played if edit.length else None
        delay += round(edit.length * file_tick / tick)
    return -delay, None
