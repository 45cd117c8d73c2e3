"""Encodes a few frames so that they match copied ones: same size, format, colours, profile.

The clip's stream then has frames of two encoders, and its headers must describe both to decoders.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Protocol, cast

import av
import av.codec.context
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame

from agent.cutting.formats import avc, hevc
from agent.cutting.formats.bits import Malformed
from agent.cutting.formats.media import StreamInfo, VideoInfo
from agent.cutting.formats.nal import length_size
from agent.cutting.formats.packets import AnyPacket, packet_of
from agent.cutting.plan.outcome import Unsuited

_CRF = "16"
"""High enough that the splice is not visible."""
_PRESET = "ultrafast"
"""A caller waits for these few frames; at that quality a slower preset makes them smaller, not better."""
_TOP_FIELD, _BOTTOM_FIELD = 2, 3
_LIMITED, _FULL = 1, 2
_H264_PROFILES = {
    "Constrained Baseline": "baseline",
    "Baseline": "baseline",
    "Main": "main",
    "High": "high",
    "High 10": "high10",
    "High 10 Intra": "high10",
    "High 4:2:2": "high422",
    "High 4:2:2 Intra": "high422",
}
_MPEG2_GOP = 15
_MPEG2_QUALITY = 2 * 118
"""FF_QP2LAMBDA is 118: the quantiser is 2 of 31."""


class EdgeEncoder(Protocol):
    """As `Edge`."""

    def encode(self, frame: VideoFrame | None) -> list[AnyPacket]:
        """Packets, each with the `pts` of the frame it holds. None flushes. Raises `Unsuited`."""


class Matching(Protocol):
    """The codec-specific part of a smart cut."""

    encoder: str
    """libavcodec's name of the encoder."""
    extradata: bytes | None
    """The clip's stream headers; None: the recording's own."""

    def open(self) -> EdgeEncoder:
        """An encoder for one edge."""

    def copied(self, packet: AnyPacket, *, joint: bool) -> AnyPacket:
        """A copied packet as the clip holds it. Raises `Unsuited`.

        `joint`: it is a keyframe that follows re-encoded frames.
        """


Matcher = Callable[[bytes | None, StreamInfo, Fraction | None], Matching | None]
"""As `matching`."""


class Edge:
    """One encoder's frames, from its first to its last: no frame waits for a later one."""

    def __init__(self, context: VideoCodecContext, adapt: Callable[[bytes], bytes]) -> None:
        self._context = context
        self._adapt = adapt
        self._pts: list[int] = []
        self._done = 0

    def encode(self, frame: VideoFrame | None) -> list[AnyPacket]:
        """Packets, each with the `pts` of the frame it holds. None flushes. Raises `Unsuited`."""
        if frame is not None:
            assert frame.pts is not None  # `decoded` gives only frames that have one
            self._pts.append(frame.pts)
            # The recording's own choice of types, or its clock, would only mislead the encoder.
            frame.pict_type = PictureType.NONE
            frame.pts, frame.time_base = len(self._pts) - 1, self._context.time_base
        try:
            packets = self._context.encode(frame)
        except av.error.FFmpegError as error:
            raise Unsuited(f"{self._context.name} refuses its frames ({error.strerror})") from error
        return [self._adapted(packet) for packet in packets]

    def _adapted(self, packet: AnyPacket) -> AnyPacket:
        try:
            adapted = packet_of(self._adapt(bytes(packet)))
        except OverflowError:
            raise Unsuited("a re-encoded frame is too large for its length fields") from None
        except Malformed as error:
            raise Unsuited(f"{self._context.name} makes unexpected frames: {error}") from error
        adapted.pts = self._pts[self._done]
        adapted.is_keyframe = packet.is_keyframe
        self._done += 1
        return adapted


def matching(extradata: bytes | None, info: StreamInfo, rate: Fraction | None) -> Matching | None:
    """How frames are encoded beside those of a stream; None when there is no fitting encoder.

    `extradata`: the stream's headers; `rate`: frames a second as its frames say it, where they do.

    Raises `Unsuited` when the encoder can't be opened for them.
    """
    kind = {"h264": _H264, "hevc": _Hevc, "mpeg2video": _Mpeg2}.get(info.codec)
    if kind is None or info.video is None:
        return None
    try:
        return cast(Matching, kind(extradata or b"", info, rate))
    except Malformed as error:
        raise Unsuited(f"its headers can't be understood: {error}") from error


class _H264:
    encoder = "libx264"

    def __init__(self, original: bytes, info: StreamInfo, rate: Fraction | None) -> None:
        if info.profile not in _H264_PROFILES:
            raise Unsuited(f"no encoder makes H.264 of its profile ({info.profile})")
        sets = avc.sets_of(original)
        if not sets:
            raise Unsuited("its parameter sets are not in its header")
        self._info, self._rate = info, rate
        self._size = length_size("h264", original)
        self._id = avc.free_id(sets)
        self._ready: VideoCodecContext | None = self._context()
        self._sets = avc.sets_of(_header(self._ready))
        self.extradata = avc.with_sets(original, self._sets)

    def open(self) -> Edge:
        context = self._ready or self._context()
        self._ready = None
        if avc.sets_of(_header(context)) != self._sets:
            raise Unsuited("the encoder's headers differ from edge to edge")
        return Edge(context, lambda payload: avc.edge(payload, self._size))

    def copied(self, packet: AnyPacket, *, joint: bool) -> AnyPacket:
        return packet

    def _context(self) -> VideoCodecContext:
        assert self._info.video is not None
        parameters = f"sps-id={self._id}:bframes=0:scenecut=0:keyint=infinite"
        if self._info.video.interlaced:
            parameters += ":bff=1" if self._info.video.bottom_first else ":tff=1"
        context = _context(self.encoder, self._info.video, self._rate)
        context.flags |= av.codec.context.Flags.global_header
        context.options = {
            "preset": _PRESET,
            "crf": _CRF,
            "profile": _H264_PROFILES[str(self._info.profile)],
            "x264-params": parameters,
        }
        return _opened(context)


class _Hevc:
    encoder = "libx265"

    def __init__(self, original: bytes, info: StreamInfo, rate: Fraction | None) -> None:
        own = hevc.sets_of(original)
        if not own:
            raise Unsuited("its parameter sets are not in its header")
        self._info, self._rate = info, rate
        self._size = length_size("hevc", original)
        self._ready: VideoCodecContext | None = self._context()
        self._encoders = _header(self._ready)
        sets = hevc.sets_of(self._encoders)
        self._numbers = hevc.free_numbers(own, sets)
        edges = [self._numbers.of_set(unit) for unit in sets]
        self.extradata = hevc.with_sets(original, edges)
        self._sets = [*own, *edges]

    def open(self) -> Edge:
        context = self._ready or self._context()
        self._ready = None
        if _header(context) != self._encoders:
            raise Unsuited("the encoder's headers differ from edge to edge")
        return Edge(context, lambda payload: hevc.edge(payload, self._size, self._numbers))

    def copied(self, packet: AnyPacket, *, joint: bool) -> AnyPacket:
        if not joint and not hevc.has_sets(memoryview(packet), self._size):
            return packet
        try:
            return _replaced(packet, hevc.copied(bytes(packet), self._size, self._sets, joint=joint))
        except hevc.SetsChange:
            raise Unsuited("its parameter sets change within the clip") from None

    def _context(self) -> VideoCodecContext:
        assert self._info.video is not None
        context = _context(self.encoder, self._info.video, self._rate)
        context.flags |= av.codec.context.Flags.global_header
        context.options = {
            "preset": _PRESET,
            "crf": _CRF,
            "x265-params": "bframes=0:scenecut=0:keyint=-1:info=0:log-level=none",
        }
        return _opened(context)


class _Mpeg2:
    encoder = "mpeg2video"
    extradata = None
    _SEQUENCE = b"\x00\x00\x01\xb3"

    def __init__(self, original: bytes, info: StreamInfo, rate: Fraction | None) -> None:
        self._header, self._info, self._rate = original, info, rate

    def open(self) -> Edge:
        assert self._info.video is not None
        context = _context(self.encoder, self._info.video, self._rate)
        context.max_b_frames = 0
        context.gop_size = _MPEG2_GOP
        flags = av.codec.context.Flags
        context.flags |= flags.qscale
        if self._info.video.interlaced:
            context.flags |= flags.interlaced_dct | flags.interlaced_me
        context.options = {"global_quality": str(_MPEG2_QUALITY), "sc_threshold": "1000000000"}
        return Edge(_opened(context), lambda payload: payload)

    def copied(self, packet: AnyPacket, *, joint: bool) -> AnyPacket:
        if not joint:
            return packet
        payload = bytes(packet)
        if self._SEQUENCE in payload[:1024]:
            return packet
        if self._SEQUENCE not in self._header:
            raise Unsuited("a keyframe has no sequence header")
        return _replaced(packet, self._header + payload)


def _context(encoder: str, video: VideoInfo, rate: Fraction | None) -> VideoCodecContext:
    context = av.CodecContext.create(encoder, "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height = video.width, video.height
    context.pix_fmt = video.pix_fmt
    # Frames are numbered for the encoder: its clock then has no gaps, whatever the recording's has.
    context.framerate = rate or video.rate or Fraction(25)
    context.time_base = 1 / context.framerate
    context.sample_aspect_ratio = video.sample_aspect
    context.color_range = _FULL if video.full_range else _LIMITED
    context.colorspace = video.color_space
    context.color_primaries = video.color_primaries
    context.color_trc = video.color_transfer
    if video.interlaced:
        context.flags |= av.codec.context.Flags.interlaced_dct
        context.field_order = _BOTTOM_FIELD if video.bottom_first else _TOP_FIELD
    return context


def _header(context: VideoCodecContext) -> bytes:
    assert context.extradata is not None  # it was opened with `global_header`
    return context.extradata


def _opened(context: VideoCodecContext) -> VideoCodecContext:
    try:
        context.open()
    except (av.error.FFmpegError, ValueError) as error:
        raise Unsuited(f"{context.name} can't encode frames like its own ({error})") from error
    return context


def _replaced(packet: AnyPacket, payload: bytes) -> AnyPacket:
    new = packet_of(payload)
    new.pts, new.dts, new.duration = packet.pts, packet.dts, packet.duration
    new.time_base = packet.time_base
    new.is_keyframe = packet.is_keyframe
    return new
