"""Writes a window: a fragmented MP4 in memory, as Media Source Extensions take it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction
from math import floor

import av
import av.container
from av.stream import Stream

from agent.cutting.formats.packets import AnyPacket
from agent.cutting.preview.codecs import TAGS

_FLAGS = "frag_keyframe+empty_moov+delay_moov+default_base_moof+frag_discont"


class NotWritable(Exception):
    """These streams or packets do not go into an MP4."""


class WindowFile:
    """The file. Add the streams, then write their packets."""

    def __init__(self) -> None:
        self._buffer = io.BytesIO()
        options = {"movflags": _FLAGS, "use_editlist": "0", "avoid_negative_ts": "disabled"}
        self.container: av.container.OutputContainer = av.open(
            self._buffer, "w", format="mp4", options=options
        )

    def copied(self, source: Stream, codec: str, extradata: bytes | None) -> Stream:
        """A stream that takes the packets of `source`. Raises `NotWritable`."""
        try:
            stream = self.container.add_stream_from_template(source, opaque=True)
        except ValueError as error:
            raise NotWritable from error
        stream.codec_context.codec_tag = TAGS[codec]
        if extradata is not None:
            stream.codec_context.extradata = extradata
        return stream

    def write(self, packets: Sequence[tuple[AnyPacket, Stream]], origin: Fraction) -> None:
        """Append packets, whose times are seconds behind `origin` afterwards. Raises `NotWritable`."""

        def decoded(item: tuple[AnyPacket, Stream]) -> Fraction:
            packet, _ = item
            assert packet.dts is not None
            return packet.dts * packet.time_base

        for packet, stream in sorted(packets, key=decoded):
            shift = round(origin / packet.time_base)
            assert packet.pts is not None
            assert packet.dts is not None
            packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
            packet.stream = stream
            try:
                self.container.mux_one(packet)
            except av.error.FFmpegError as error:
                raise NotWritable from error

    def finish(self) -> bytes:
        """The whole file. Raises `NotWritable`."""
        try:
            self.container.close()
        except av.error.FFmpegError as error:
            raise NotWritable from error
        return self._buffer.getvalue()


def origin_of(packets: Sequence[tuple[AnyPacket, Stream]], tick: Fraction) -> Fraction:
    """The smallest decoding time, on a tick of the video, whose times then stay exact."""
    first = min(packet.dts * packet.time_base for packet, _ in packets if packet.dts is not None)
    return floor(first / tick) * tick


def mime_of(video: str | None, audio: str | None) -> str:
    """The type of a window with these codecs."""
    codecs = ", ".join(name for name in (video, audio) if name)
    return f'{"video" if video else "audio"}/mp4; codecs="{codecs}"'
