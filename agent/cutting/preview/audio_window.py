"""A window of a recording that has nothing to see."""

from __future__ import annotations

from fractions import Fraction

import av

from agent.cutting.formats.media import StreamInfo
from agent.cutting.formats.packets import AnyPacket, pts_of
from agent.cutting.formats.streams import tick_of
from agent.cutting.preview.audio import NoHeader, has_no_gap, plain, played
from agent.cutting.preview.codecs import name_of
from agent.cutting.preview.media import Media
from agent.cutting.preview.models import Window
from agent.cutting.preview.muxing import WindowFile, mime_of
from agent.cutting.reading.demux import packets
from agent.cutting.reading.seek import tick_upto
from clipping.errors import RangeBeyondEnd, SourceCorrupt

_BACK = Fraction(1, 4)


def audio_window(media: Media, info: StreamInfo, t: Fraction, d: Fraction) -> Window:
    """The audio packets from `t` on."""
    zero = media.info.zero
    start, stop = zero + t, zero + t + d
    with media.near(start, stop) as container:
        stream = container.streams[info.index]
        tick = tick_of(stream)
        try:
            container.seek(tick_upto(max(zero, start - _BACK), tick), stream=stream, backward=True)
        except av.error.FFmpegError as error:
            raise RangeBeyondEnd(f"t is behind the end of {media.source.name.name}") from error
        read: list[AnyPacket] = []
        last = True
        for packet in packets(container, [stream]):
            if packet.pts is None or packet.size == 0:
                continue
            if packet.pts * tick >= stop:
                last = False
                break
            read.append(packet)
        found = played(read, start, stop)
        if not found:
            raise RangeBeyondEnd(f"{media.source.name.name} has no audio there")
        try:
            config, sounding = plain(stream, info, found)
        except NoHeader:
            raise SourceCorrupt(f"the audio of {media.source.name.name} is damaged there") from None
        file = WindowFile()
        target = file.copied(stream, info.codec, config)
        begin = pts_of(sounding[0]) * tick
        end = pts_of(sounding[-1]) * tick + (sounding[-1].duration or 0) * tick
        name = name_of(info, config or stream.codec_context.extradata)
        file.write([(packet, target) for packet in sounding], begin)
        return Window(
            data=file.finish(),
            kind="copy",
            mime=mime_of(None, name),
            offset=begin - zero,
            start=begin - zero,
            end=end - zero,
            frames=0,
            audio=has_no_gap(sounding, start, min(stop, end)),
            last=last,
            more=None,
        )
