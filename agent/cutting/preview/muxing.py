"""Writes a window: a fragmented MP4 in memory, as Media Source Extensions take it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction

import av
import av.container
from av.stream import Stream

from agent.cutting.formats.packets import AnyPacket
from agent.cutting.preview.codecs import TAGS

_FLAGS = "frag_keyframe+empty_moov+delay_moov+default_base_moof+frag_discont"


class WindowFile:
    """The file. Add the streams, then write packets in the order of their decoding times."""

    def __init__(self) -> None:
        self._buffer = io.BytesIO()
        options = {"movflags": _FLAGS, "use_editlist": "0", "avoid_negative_ts": "disabled"}
        self.container: av.container.OutputContainer = av.open(
            self._buffer, "w", format="mp4", options=options
        )

    def copied(self, source: Stream, codec: str, extradata: bytes | None) -> Stream:
        """A stream that takes the packets of `source`."""
        stream = self.container.add_stream_from_template(source, opaque=True)
        stream.codec_context.codec_tag = TAGS[codec]
        if extradata is not None:
            stream.codec_context.extradata = extradata
        return stream

    def write(self, packets: Sequence[tuple[AnyPacket, Stream]], origin: Fraction) -> None:
        """Append packets, whose times are seconds behind `origin` afterwards."""

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
            self.container.mux_one(packet)

    def finish(self) -> bytes:
        """The whole file."""
        self.container.close()
        return self._buffer.getvalue()


def mime_of(video: str | None, audio: str | None) -> str:
    """The type of a window with these codecs."""
    codecs = ", ".join(name for name in (video, audio) if name)
    return f'{"video" if video else "audio"}/mp4; codecs="{codecs}"'
