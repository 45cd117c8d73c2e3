"""The keyframes of a range."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import av
import numpy as np

from agent.cutting.formats.dts import WINDOW
from agent.cutting.formats.streams import tick_of
from agent.cutting.indexed.fragments import FragmentReader
from agent.cutting.indexed.tracks import Trak
from agent.cutting.preview.media import UNFIT, Media
from agent.cutting.preview.models import Keyframes
from agent.cutting.reading.demux import packets
from agent.cutting.reading.seek import seek_back
from agent.cutting.reading.unindexed.fragments import fragments

_BACK = Fraction(2)
"""Seconds before the range at which to begin: frames are decoded before they are shown."""
_BEHIND = Fraction(2)


def keyframes(media: Media, start: Fraction, stop: Fraction) -> Keyframes:
    """See `Previews.keyframes`: by the recording's index, or its packets."""
    media.check_within(start, "from")
    zero = media.info.zero
    ways: tuple[Callable[[Media, Fraction, Fraction], list[Fraction] | None], ...] = (
        _by_table,
        _by_fragments,
        _by_entries,
    )
    for way in ways:
        found = way(media, zero + start, zero + stop)
        if found is not None:
            times = sorted({time - zero for time in found if zero + start <= time < zero + stop})
            return Keyframes(tuple(times), stop)
    return _by_packets(media, start, stop)


def _by_table(media: Media, start: Fraction, stop: Fraction) -> list[Fraction] | None:
    """By an MP4's own index."""
    index = media.index
    if index is None or len(index.parts) > 1:
        return None
    try:
        shift, tick, table = index.shift, index.track.tick, index.track.samples
        first = max(0, table.at(int(start / tick) + shift) - WINDOW)
        last = min(table.count, table.at(int(stop / tick) + 1 + shift) + WINDOW)
        return [(int(table.shown(k, k + 1)[0]) - shift) * tick for k in table.keys(first, last).tolist()]
    except UNFIT:
        return None


def _by_fragments(media: Media, start: Fraction, stop: Fraction) -> list[Fraction] | None:
    """By the headers of the fragments of an MP4."""
    if media.info.demuxer != "mov" or media.video is None:
        return None
    try:
        with media.source.path.open("rb") as file:
            layout = fragments(file, media.source.identity.size)
            if layout is None:
                return None
            reader = FragmentReader(file, layout, media.info.duration)
            found: list[Fraction] = []
            for batch in reader.batches(reader.near(max(Fraction(0), start - _BACK))):
                trak = reader.tracks(batch).get(media.video.index)
                if trak is None or not trak.table.count:
                    continue
                times = _keys_of(trak)
                found += times
                if times and min(times) > stop:
                    break
                if media.late:
                    return None
            return found
    except UNFIT:
        return None


def _keys_of(trak: Trak) -> list[Fraction]:
    shown = trak.table.shown(0, trak.table.count) - trak.shift
    keys = trak.table.keys(0, trak.table.count)
    return [int(at) * trak.time_base for at in np.asarray(shown)[keys]]


def _by_entries(media: Media, start: Fraction, stop: Fraction) -> list[Fraction] | None:
    """By the cues of a Matroska file, as libavformat has read them."""
    if media.info.demuxer != "matroska" or media.indexless:
        return None
    with media.near(start, stop) as container:
        video = media.video_in(container)
        try:
            seek_back(container, video, start)  # it reads them now
        except av.error.FFmpegError:
            return None
        return [entry.timestamp * tick_of(video) for entry in video.index_entries if entry.is_keyframe]


def _by_packets(media: Media, start: Fraction, stop: Fraction) -> Keyframes:
    """By reading the range."""
    zero, found, end = media.info.zero, set[Fraction](), stop
    with media.near(zero + start - _BACK, zero + stop) as container:
        video = media.video_in(container)
        tick = tick_of(video)
        try:
            seek_back(container, video, zero + start - _BACK)
        except av.error.FFmpegError:
            return Keyframes((), start)
        for packet in packets(container, [video]):
            at = packet.pts if packet.pts is not None else packet.dts
            if at is None or packet.size == 0:
                continue
            time = at * tick - zero
            if packet.is_keyframe and start <= time < stop:
                found.add(time)
            if time > stop + _BEHIND:
                break
            if media.late:
                end = max(start, time - _BEHIND)
                break
    return Keyframes(tuple(sorted(found)), min(end, stop))
