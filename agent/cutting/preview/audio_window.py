"""A window of a recording that has nothing to see."""

from __future__ import annotations

from fractions import Fraction

import av
import av.container
from av.stream import Stream

from agent.cutting.formats.media import StreamInfo
from agent.cutting.formats.packets import AnyPacket, pts_of
from agent.cutting.formats.streams import tick_of
from agent.cutting.preview.audio import NoHeader, played, window_audio
from agent.cutting.preview.media import Media
from agent.cutting.preview.models import Window
from agent.cutting.preview.muxing import NotWritable, WindowFile, mime_of
from agent.cutting.reading.demux import packets
from agent.cutting.reading.seek import tick_upto
from clipping.errors import RangeBeyondEnd, SourceCorrupt

_BACK = Fraction(1, 4)
_LONGEST = Fraction(10)
"""Seconds that a packet lasts at most: damaged ones state hours, which would be encoded as silence."""


def audio_window(media: Media, info: StreamInfo, t: Fraction, d: Fraction) -> Window:
    """The audio packets from `t` on."""
    start, stop = media.info.zero + t, media.info.zero + t + d
    with media.near(start, stop) as container:
        stream = container.streams[info.index]
        read, last = _read(media, container, stream, start, stop)
        found = played(read, start, stop)
        if not found:
            raise RangeBeyondEnd(f"{media.source.name.name} has no audio there")
        try:
            return _written(media, stream, info, read, found, last=last)
        except (NoHeader, NotWritable):
            raise SourceCorrupt(f"the audio of {media.source.name.name} is damaged there") from None


def _read(
    media: Media, container: av.container.InputContainer, stream: Stream, start: Fraction, stop: Fraction
) -> tuple[list[AnyPacket], bool]:
    """The packets, some earlier ones included, and whether the recording ends with them."""
    tick = tick_of(stream)
    try:
        at = tick_upto(max(media.info.zero, start - _BACK), tick)
        container.seek(at, stream=stream, backward=True)
    except av.error.FFmpegError:
        return [], True
    read: list[AnyPacket] = []
    for packet in packets(container, [stream]):
        if packet.pts is None or packet.size == 0:
            continue
        if packet.pts * tick >= stop:
            return read, False
        read.append(packet)
    return read, True


def _written(
    media: Media,
    stream: Stream,
    info: StreamInfo,
    read: list[AnyPacket],
    found: list[AnyPacket],
    *,
    last: bool,
) -> Window:
    """Raises `NoHeader` and `NotWritable`."""
    begin, end = (pts_of(found[at]) * found[at].time_base for at in (0, -1))
    end += min(_LONGEST, (found[-1].duration or 0) * found[-1].time_base)
    file = WindowFile()
    audio = window_audio(file, stream, info, read, begin, end, over=True)
    if not audio.items:
        raise NotWritable
    first = audio.items[0][0]
    origin = pts_of(first) * first.time_base
    file.write(audio.items, origin)
    return Window(
        data=file.finish(),
        kind="copy",
        mime=mime_of(None, audio.name),
        offset=origin - media.info.zero,
        start=begin - media.info.zero,
        end=end - media.info.zero,
        frames=0,
        audio=audio.whole,
        last=last,
        more=None,
    )
