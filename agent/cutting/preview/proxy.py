"""A window whose frames are encoded: small H.264 at the recording's exact times."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import floor

import av
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from agent.cutting.formats.avc import sets_of
from agent.cutting.formats.media import StreamInfo
from agent.cutting.formats.packets import AnyPacket, dts_of
from agent.cutting.formats.streams import tick_of
from agent.cutting.preview.audio import NoHeader, WindowAudio, window_audio
from agent.cutting.preview.codecs import avc_name
from agent.cutting.preview.describe import audio_of
from agent.cutting.preview.media import Media
from agent.cutting.preview.models import Window
from agent.cutting.preview.muxing import NotWritable, WindowFile, mime_of, origin_of
from agent.cutting.preview.proxy_encoder import CPU, FORMATS, OPTIONS
from agent.cutting.preview.scaling import proxy_size, small_frame
from agent.cutting.preview.shown import Shown, nothing, shown
from clipping.errors import EncoderFailed, RangeBeyondEnd

SECONDS = 4
_USUAL = Fraction(1, 25)


def proxy_window(media: Media, t: Fraction, audio: bool, encoder: str) -> Window:
    """The window of the grid that contains `t`. See `Previews.window`; `encoder`: one of `OPTIONS`."""
    media.check_within(t)
    track = audio_of(media) if audio else None
    if encoder != CPU and not media.gpu_failed:
        try:
            return _with_or_without(media, t, track, encoder)
        except _Unusable:
            # It may have no session left, or take no frames of this size.
            media.gpu_failed = True
    try:
        return _with_or_without(media, t, track, CPU)
    except _Unusable:
        raise EncoderFailed(f"frames of {media.source.name.name} can't be encoded") from None


def _with_or_without(media: Media, t: Fraction, track: StreamInfo | None, encoder: str) -> Window:
    try:
        return _made(media, t, track, encoder)
    except (NoHeader, NotWritable):  # the audio is damaged there
        return _made(media, t, None, encoder)


class _Unusable(Exception):
    """The encoder failed, or returned other times than those of the frames."""


def _made(media: Media, t: Fraction, track: StreamInfo | None, encoder: str) -> Window:
    begin = floor(t / SECONDS) * SECONDS
    start, stop = media.info.zero + begin, media.info.zero + begin + SECONDS
    with media.near(start, stop) as container:
        video = media.video_in(container)
        streams = [] if track is None else [container.streams[track.index]]
        found = shown(media, video, streams, start, stop)
        encoded = _Encoded(media, video, encoder)
        for frame in found.frames(container):
            encoded.take(frame)
        if not encoded.times:
            raise _nothing(media, start)
        return _written(media, encoded, found, streams[0] if streams else None, track, media.info.zero + t)


class _Encoded:
    """The encoder and its packets."""

    def __init__(self, media: Media, video: VideoStream, encoder: str) -> None:
        assert media.video is not None
        assert media.video.video is not None
        self._info = media.video.video
        self.tick = tick_of(video)
        self.file = WindowFile()
        rate = self._info.rate or 1 / _USUAL
        options = dict(OPTIONS[encoder])
        stream = self.file.container.add_stream(encoder, rate=rate, options=options)
        assert isinstance(stream, VideoStream)
        self.stream = stream
        self._size = proxy_size(self._info)
        self.stream.width, self.stream.height = self._size
        self.stream.pix_fmt = self._format = FORMATS.get(encoder, "yuv420p")
        self.stream.codec_context.time_base = self.stream.time_base = self.tick
        self.times: list[int] = []
        self._packets: list[AnyPacket] = []

    def take(self, frame: VideoFrame) -> None:
        """The next frame."""
        assert frame.pts is not None
        if self.times and frame.pts <= self.times[-1]:
            return  # damage: two frames at one time
        small = small_frame(frame, self._info, self._size)
        if self._format != "yuv420p":
            small = small.reformat(format=self._format)
        small.pts, small.time_base = frame.pts, self.tick
        self.times.append(frame.pts)
        self._packets += self._encoded(small)

    def _encoded(self, frame: VideoFrame | None) -> Sequence[AnyPacket]:
        try:
            return self.stream.encode(frame)
        except av.error.FFmpegError as error:
            raise _Unusable from error

    def packets(self, end: int) -> list[AnyPacket]:
        """All of them; the last frame is shown until `end`."""
        packets = [*self._packets, *self._encoded(None)]
        if [packet.pts for packet in packets] != self.times:
            raise _Unusable
        ends = [*(dts_of(packet) for packet in packets[1:]), end]
        for packet, over in zip(packets, ends, strict=True):
            packet.duration = over - dts_of(packet)
        return packets


def _written(
    media: Media,
    encoded: _Encoded,
    found: Shown,
    stream: Stream | None,
    track: StreamInfo | None,
    at: Fraction,
) -> Window:
    tick, zero, last = encoded.tick, media.info.zero, found.following is None
    usual = max(1, round((1 / (media.video_rate or 1 / _USUAL)) / tick))
    end = encoded.times[-1] + usual if found.following is None else found.following
    if last and end * tick <= at:
        raise RangeBeyondEnd(
            f"t is behind the last frame of {media.source.name.name}, which ends at "
            f"{float(end * tick - zero):.3f} s"
        )
    begin = encoded.times[0] * tick
    items: list[tuple[AnyPacket, Stream]] = [(p, encoded.stream) for p in encoded.packets(end)]
    audio = WindowAudio([], None, whole=False)
    if stream is not None and track is not None:
        audio = window_audio(encoded.file, stream, track, found.audible, begin, end * tick, over=last)
    items += audio.items
    origin = origin_of(items, tick)
    encoded.file.write(items, origin)
    name = avc_name(sets_of(encoded.stream.codec_context.extradata or b""))
    return Window(
        data=encoded.file.finish(),
        kind="proxy",
        mime=mime_of(name, audio.name),
        offset=origin - zero,
        start=begin - zero,
        end=end * tick - zero,
        frames=len(encoded.times),
        audio=audio.whole,
        last=last,
        more=None,
    )


def _nothing(media: Media, start: Fraction) -> Exception:
    duration = media.info.duration
    if duration is not None and start >= media.info.zero + duration:
        return RangeBeyondEnd(f"{media.source.name.name} has no frame there: it ends before")
    return nothing(media)
