"""The audio packets of a window."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from av.stream import Stream

from agent.cutting.formats.media import StreamInfo
from agent.cutting.formats.packets import AnyPacket, packet_of, pts_of
from agent.cutting.preview.audio_encode import NAME, encoded
from agent.cutting.preview.codecs import adts_config, adts_length, name_of, plays
from agent.cutting.preview.muxing import WindowFile

_GAP = Fraction(1, 100)
"""Seconds; containers round times."""


class NoHeader(Exception):
    """AAC packets whose format is unknown."""


def played(
    packets: Iterable[AnyPacket], begin: Fraction, end: Fraction, *, again: bool = False
) -> list[AnyPacket]:
    """The packets that are played in a range, in seconds of the container; `again`: that begin in it."""
    found: list[AnyPacket] = []
    for packet in packets:
        at = pts_of(packet) * packet.time_base
        length = (packet.duration or 0) * packet.time_base
        if found and pts_of(packet) <= pts_of(found[-1]):
            continue  # damage: a packet twice, or out of order
        if at < end and (at >= begin if again else at + length > begin):
            found.append(packet)
    return found


@dataclass(frozen=True)
class WindowAudio:
    """The audio of a window."""

    items: list[tuple[AnyPacket, Stream]]
    """The packets, each with the stream of the window that it belongs to."""
    name: str | None
    """Of the codec, in MIME types."""
    whole: bool
    """Whether it lasts for all of the window."""


def window_audio(
    file: WindowFile,
    stream: Stream,
    info: StreamInfo,
    packets: Iterable[AnyPacket],
    begin: Fraction,
    end: Fraction,
    *,
    over: bool,
    again: bool = False,
) -> WindowAudio:
    """The audio of a range in seconds of the container, in a new stream of the window: copied, or encoded
    where browsers don't play it.

    `over`: the recording ends there, and its audio perhaps earlier. `again`: as `played`. Raises `NoHeader`
    and `NotWritable`.
    """
    if not plays(info):
        items = encoded(file.container, stream, list(packets), begin, end, again=again)
        return WindowAudio(items, NAME if items else None, bool(items))
    config, audible = plain(stream, info, played(packets, begin, end, again=again))
    target = file.copied(stream, info.codec, config)
    return WindowAudio(
        [(packet, target) for packet in audible],
        name_of(info, config or stream.codec_context.extradata),
        has_no_gap(audible, begin, None if over else end),
    )


def plain(stream: Stream, info: StreamInfo, packets: list[AnyPacket]) -> tuple[bytes | None, list[AnyPacket]]:
    """The stream's header and the packets, as an MP4 holds them: AAC without ADTS.

    None: the header that the recording has. Raises `NoHeader`.
    """
    if info.codec != "aac" or stream.codec_context.extradata or not packets:
        for packet in packets:
            packet.dts = packet.pts
        return None, packets
    config = adts_config(memoryview(packets[0]))
    if config is None:
        raise NoHeader
    return config, [_without_adts(packet) for packet in packets]


def _without_adts(packet: AnyPacket) -> AnyPacket:
    view = memoryview(packet)
    made = packet_of(bytes(view[adts_length(view) :]))
    made.time_base, made.duration = packet.time_base, packet.duration
    made.pts = made.dts = packet.pts
    made.is_keyframe = True
    return made


def has_no_gap(packets: Sequence[AnyPacket], begin: Fraction, end: Fraction | None) -> bool:
    """Whether the packets last for the whole range. None: as long as there are some."""
    at = begin
    for packet in packets:
        start = pts_of(packet) * packet.time_base
        length = (packet.duration or 0) * packet.time_base
        if start - at > max(length, _GAP):
            return False
        at = max(at, start + length)
    if not packets or end is None:
        return bool(packets)
    return end - at <= max(_GAP, (packets[-1].duration or 0) * packets[-1].time_base)
