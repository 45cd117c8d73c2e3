"""The subtitles of a clip: read in advance, as they are few and small, then written between its frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction

import av
import av.container
from av.stream import Discard
from av.subtitles.codeccontext import SubtitleCodecContext
from av.subtitles.stream import SubtitleStream
from av.video.stream import VideoStream

from agent.cutting.formats.packets import packet_of
from agent.cutting.formats.streams import subtitle_stream, tick_of, video_stream
from agent.cutting.plan.extent import REACH
from agent.cutting.plan.plan import Plan, Subtitle, without_unseen
from agent.cutting.reading.demux import packets
from agent.cutting.reading.seek import tick_upto
from agent.cutting.writing.muxer import Sink

_LONGEST = Fraction(10)
"""Seconds before the clip in which a subtitle that is still shown then may have begun."""
_TICK = Fraction(1, 1000)
"""Seconds: what subtitles are timed in, in every container."""
_NO_TEXT = b"\0\0"
"""What mov_text fills the time between two texts with."""


@dataclass(frozen=True)
class Cue:
    """One subtitle. Times in seconds on the container's own time line, or in the clip's."""

    index: int
    """Of the recording's stream."""
    start: Fraction
    end: Fraction
    """The same where a later one ends it."""
    payload: bytes


def read_cues(container: av.container.InputContainer, plan: Plan) -> list[Cue]:
    """The subtitles that a clip by this plan may show. Moves the container. Raises as `source.reading`."""
    if not plan.subtitles:
        return []
    video = video_stream(container, plan.video_stream.index)
    before = _LONGEST + (REACH if plan.mode == "copy" else 0)
    begin = tick_upto(plan.start - before, tick_of(video))
    if video.start_time is not None:
        begin = max(begin, video.start_time)
    wanted = {subtitle.source.index for subtitle in plan.subtitles}
    with _only(container, wanted, video):
        try:
            container.seek(begin, stream=video, backward=True)
        except av.error.FFmpegError:
            return []
        return list(_cues(container, wanted, plan.stop))


def _cues(container: av.container.InputContainer, wanted: set[int], stop: Fraction) -> Iterator[Cue]:
    missing = set(wanted)
    for packet in packets(container):
        if packet.pts is None or packet.size == 0:
            continue
        assert packet.time_base is not None
        index = packet.stream_index
        is_video = index not in wanted
        start = (packet.dts if is_video and packet.dts is not None else packet.pts) * packet.time_base
        if start >= stop:
            missing.discard(index)
            if is_video or not missing:
                return
        elif not is_video and bytes(packet) != _NO_TEXT:
            end = start + (packet.duration or 0) * packet.time_base
            yield Cue(index, start, end, bytes(packet))


@contextmanager
def _only(container: av.container.InputContainer, wanted: set[int], video: VideoStream) -> Iterator[None]:
    """While this holds, the demuxer passes over all that is not wanted, but keyframes: they say how far
    reading has come."""
    before = [stream.discard for stream in container.streams]
    for stream in container.streams:
        if stream.index not in wanted:
            stream.discard = Discard.nonkey if stream.index == video.index else Discard.all
    try:
        yield
    finally:
        for stream, discard in zip(container.streams, before, strict=True):
            stream.discard = discard


def cues_within(plan: Plan, cues: Iterable[Cue], start: Fraction) -> tuple[Plan, list[Cue]]:
    """What a clip that begins at `start` shows, in its own time; the plan less what then holds nothing."""
    shown = [
        replace(cue, start=max(cue.start - start, Fraction(0)), end=min(cue.end, plan.stop) - start)
        for cue in cues
        if cue.start < plan.stop and (cue.start >= start or cue.end > start)
    ]
    return without_unseen(plan, {cue.index for cue in shown}), sorted(shown, key=lambda cue: cue.start)


def add_subtitles(
    container: av.container.InputContainer, sink: Sink, plan: Plan, cues: Iterable[Cue]
) -> None:
    """Give the clip its subtitle streams, and `cues` (in its time) to write when their time has come."""
    tracks = {
        s.source.index: _Track(sink, subtitle_stream(container, s.source.index), s) for s in plan.subtitles
    }
    for cue in cues:
        tracks[cue.index].put(cue)


class _Track:
    def __init__(self, sink: Sink, source: SubtitleStream, subtitle: Subtitle) -> None:
        self._sink = sink
        self._decoder = source.codec_context
        self._encoder: SubtitleCodecContext | None = None
        if subtitle.codec == subtitle.source.codec:
            self._out = sink.copied(source, subtitle.source)
        else:
            self._decoder.open(strict=False)
            self._out = sink.converted(subtitle.codec, subtitle.source, self._decoder.subtitle_header)
            self._encoder = self._out.codec_context

    def put(self, cue: Cue) -> None:
        payload = cue.payload if self._encoder is None else self._converted(cue.payload, self._encoder)
        if payload is None:
            return
        packet = packet_of(payload)
        packet.time_base = _TICK
        packet.pts = packet.dts = round(cue.start / _TICK)
        packet.duration = max(0, round(cue.end / _TICK) - packet.pts)
        self._sink.later(packet, self._out)

    def _converted(self, payload: bytes, encoder: SubtitleCodecContext) -> bytes | None:
        """None for an empty one."""
        packet = packet_of(payload)
        packet.pts, packet.duration, packet.time_base = 0, 1, _TICK
        try:
            found = self._decoder.decode2(packet)
            return None if found is None or not len(found) else bytes(encoder.encode_subtitle(found))
        except av.error.FFmpegError:
            return None
