"""Finds where a recording can't be decoded: only after a decoder has reported errors, as it is as costly as
decoding."""

from __future__ import annotations

from fractions import Fraction

import av
import av.container
from av.audio.codeccontext import AudioCodecContext
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext

from agent.cutting.formats.streams import tick_of, video_stream
from agent.cutting.plan.plan import Plan
from agent.cutting.reading.damage import UNDECODABLE, Damage, stream_name
from agent.cutting.reading.demux import packets
from agent.cutting.reading.frames import Frames
from agent.cutting.reading.seek import KeyTest, tick_from
from agent.cutting.reading.source import decoder_options

_STRICT = {"err_detect": "explode", "skip_loop_filter": "all"}


def locate(container: av.container.InputContainer, plan: Plan, frames: Frames, damage: Damage) -> None:
    """Decode what a clip of `frames` needs, and report to `damage` every packet that can't be decoded."""
    video = video_stream(container, plan.video_stream.index)
    names = {info.index: stream_name(info) for info in (plan.video_stream, *(t.source for t in plan.tracks))}
    streams = [container.streams[index] for index in names]
    decoders = {stream.index: _decoder(stream) for stream in streams}
    begin = frames.first if frames.entry is None else frames.entry
    try:
        container.seek(tick_from(begin, tick_of(video)), stream=video, backward=True)
    except av.error.FFmpegError:
        return
    is_clean = KeyTest(video)
    since: Fraction | None = None
    later: list[Fraction] = []
    """Undecodable frames from after the range, which matter when a frame of the range follows them."""
    for packet in packets(container, streams):
        if packet.pts is None or packet.size == 0:
            continue
        at, index = packet.pts * packet.time_base, packet.stream_index
        if index == video.index:
            if since is None and is_clean(packet):
                since = at
            if packet.dts is not None and packet.dts * packet.time_base >= frames.end:
                break
            needed = since is not None and since <= at
        else:
            needed = since is not None and plan.start <= at < plan.stop
        if not needed:
            continue
        if index == video.index and at < plan.stop:
            for found in later:
                damage.add(found, names[index], UNDECODABLE)
            later.clear()
        try:
            decoders[index].decode(packet)
        except av.error.FFmpegError:
            if at < plan.stop:
                damage.add(at, names[index], UNDECODABLE)
            else:
                later.append(at)


def _decoder(stream: Stream) -> VideoCodecContext | AudioCodecContext:
    original = stream.codec_context
    decoder = av.CodecContext.create(original.name, "r")
    assert isinstance(decoder, VideoCodecContext | AudioCodecContext)
    decoder.extradata = original.extradata
    decoder.options = _STRICT | decoder_options()
    decoder.thread_count = 1  # an error then belongs to the packet that was given
    if isinstance(original, AudioCodecContext) and isinstance(decoder, AudioCodecContext):
        decoder.sample_rate = original.sample_rate
        decoder.layout = original.layout
    return decoder
