"""The smart cut of an opened container: exact to the frame, and nearly as fast as a copy.

Frames from the in-point to the first keyframe that a decoder may begin with are encoded, and the last few
before the out-point that can't be copied without later ones; everything between is copied: see `plan.smart`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

import av
from av.video.stream import VideoStream

from agent.cutting.formats.packets import AnyPacket, pts_of
from agent.cutting.plan.extent import NEVER
from agent.cutting.plan.outcome import Outcome, Unsuited
from agent.cutting.plan.plan import without_silent
from agent.cutting.plan.smart import ClipFrames, plan_rest
from agent.cutting.reading.decoding import decoded, time_of
from agent.cutting.reading.seek import enter
from agent.cutting.smart.copied_span import CopiedSpan
from agent.cutting.smart.look_ahead import LookAhead, look_ahead
from agent.cutting.smart.matching_encoder import Matcher, Matching, matching
from agent.cutting.writing.audio_tracks import AudioTracks
from agent.cutting.writing.muxer import Sink, index_space
from agent.cutting.writing.packet_cut import PacketCut, copy_packets, unsuited
from agent.cutting.writing.subtitles import Cue, add_subtitles, cues_within, read_cues
from agent.cutting.writing.text_track import add_captions, captions_within
from agent.cutting.writing.video_writer import VideoWriter

_HEAD, _TAIL = (0.0, 0.2), (0.9, 1.0)
"""The progress from begin to end of both edges; between them there is the copying."""


def smart(cut: PacketCut, matched: Matcher = matching) -> Outcome:
    """Write the clip; `matched`: how its edges are encoded.

    Raises `Unsuited` when this recording can't be cut so, `RangeBeyondEnd`, and the errors of `source`.
    """
    if not cut.video.codec_context.is_open:
        cut.video.thread_type = "AUTO"
    try:
        with unsuited():
            cues = read_cues(cut.container, cut.plan)
            return _SmartCut(cut, look_ahead(cut), matched).write(cues)
    except av.error.InvalidDataError:
        raise Unsuited("its frames can't be decoded there") from None


class _SmartCut:
    def __init__(self, cut: PacketCut, ahead: LookAhead, matched: Matcher) -> None:
        self._cut = cut
        self._ahead = ahead
        self._video = cut.video
        self._tick = cut.plan.video_stream.time_base
        self._zero = ahead.head.start
        context = self._video.codec_context
        self._matching = matched(context.extradata, cut.plan.video_stream, context.framerate)

    def write(self, cues: list[Cue]) -> Outcome:
        """Write the clip, with the `cues` that belong to it. Raises as `smart`."""
        cut, ahead, start = self._cut, self._ahead, self._zero * self._tick
        plan, cues = cues_within(cut.plan, cues, start)
        plan, captions = captions_within(plan, start)
        assert plan.video_stream.video is not None
        with Sink(
            cut.target, plan.container, index_space(plan, plan.stop - start), plan.header(start)
        ) as sink:
            order = list(ahead.scan.order)
            writer = VideoWriter(sink, self._stream(sink), self._tick, plan.video_stream.video, order)
            audio = AudioTracks(cut.container, sink, plan, start, cut.bit_rate, cut.damage)
            add_subtitles(cut.container, sink, plan, cues)
            add_captions(sink, plan.container, captions)
            self._encode(writer, ahead.head.edge, self._edge_packets(), _HEAD)
            span = CopiedSpan(writer, ahead, self._matching)
            packets = chain(ahead.packets, ahead.following)
            stands = copy_packets(cut, packets, ahead.since, span, audio, self._copying)
            # Before the tail is sought: that empties the audio decoders.
            tracks, silent = audio.finish()
            frames = self._frames(span, writer, stands=stands or cut.ends_early)
            span.finish(frames)
            if frames.tail:
                found = enter(cut.container, self._video, [], frames.tail[0] * self._tick)
                self._encode(writer, frames.tail, found.packets, _TAIL)
            writer.finish(frames.end - self._zero)
        encoder = self._matching.encoder if self._matching else None
        return frames.outcome(without_silent(plan, silent), cut.path, tracks, encoder)

    def _frames(self, span: CopiedSpan, writer: VideoWriter, *, stands: bool) -> ClipFrames:
        """The whole clip's; `stands`: when no next frame was found, the last is shown to the out-point."""
        scan = self._ahead.scan
        over = NEVER if stands else span.over(writer.usual)
        return plan_rest(self._ahead.head, scan.order, over, self._ahead.range)

    def _stream(self, sink: Sink) -> VideoStream:
        if self._matching is None:
            return sink.copied(self._video, self._cut.plan.video_stream)
        return sink.copied(self._video, self._cut.plan.video_stream, self._matching.extradata)

    def _edge_packets(self) -> list[AnyPacket]:
        """What must be decoded for the first edge: everything up to the last of its frames."""
        packets = list(self._video_packets(self._ahead.packets))
        edge = set(self._ahead.head.edge)
        needed = max((n for n, p in enumerate(packets) if p.pts in edge), default=-1)
        return packets[: needed + 1]

    def _video_packets(self, packets: Iterable[AnyPacket]) -> Iterator[AnyPacket]:
        return (p for p in packets if p.stream_index == self._video.index and p.size)

    def _encode(
        self,
        writer: VideoWriter,
        frames: tuple[int, ...],
        packets: Iterable[AnyPacket],
        reported: tuple[float, float],
    ) -> None:
        """Decode `packets`, encode `frames` of them; `reported`: the progress at begin and end."""
        if not frames:
            return
        encoder = self._encoder().open()
        read = self._reporting(self._video_packets(packets), frames[-1], reported)
        for frame in chain(decoded(self._video.codec_context, read, frames), [None]):
            for packet in encoder.encode(frame):
                packet.time_base = self._tick
                packet.duration = writer.usual
                writer.put(packet, max(pts_of(packet) - self._zero, 0))

    def _encoder(self) -> Matching:
        if self._matching is None:
            codec = self._cut.plan.video_stream.codec
            raise Unsuited(f"no encoder here makes {codec} that fits between its frames")
        return self._matching

    def _reporting(
        self, packets: Iterable[AnyPacket], last: int, reported: tuple[float, float]
    ) -> Iterator[AnyPacket]:
        first: int | None = None
        for packet in packets:
            pts = time_of(packet)
            first = pts if first is None else first
            share = (pts - first) / max(1, last - first)
            self._cut.progress(reported[0] + (reported[1] - reported[0]) * min(1.0, max(0.0, share)))
            yield packet

    def _copying(self, share: float) -> None:
        self._cut.progress(_HEAD[1] + (_TAIL[0] - _HEAD[1]) * share)
