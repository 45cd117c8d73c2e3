"""Finds where a copied clip can begin: the last clean keyframe at or before a point, in any container."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from math import ceil, floor

import av
import av.container
from av.stream import Stream
from av.video.stream import VideoStream

from agent.cutting.formats.nal import length_size, starts_clean
from agent.cutting.formats.packets import AnyPacket, pts_of
from agent.cutting.formats.payload import check_for
from agent.cutting.formats.streams import context_of, tick_of
from agent.cutting.plan.extent import REACH
from agent.cutting.reading.damage import Damage
from agent.cutting.reading.demux import packets

_WITHOUT_INDEX = frozenset({"mpegts", "mpeg"})
_STEPS = (Fraction(0), Fraction(1), Fraction(3), Fraction(9), Fraction(27), Fraction(60))
"""How far before the point to look, growing: MPEG-TS and PS land behind the keyframe that was sought."""


class NoCleanStart(Exception):
    """No keyframe at or before the point that every player can begin with. The text says why."""


@dataclass(frozen=True)
class Entry:
    """A container read to a keyframe: all packets from there on, audio that overlaps it included."""

    key_pts: int
    """Ticks of the video stream."""
    packets: Iterator[AnyPacket]


class KeyTest:
    """Whether a clip may begin with a packet."""

    def __init__(self, stream: Stream) -> None:
        self._codec = stream.codec_context.codec.canonical_name
        self._by_nal = self._codec in ("h264", "hevc")
        self._length_size = length_size(self._codec, stream.codec_context.extradata)

    def __call__(self, packet: AnyPacket) -> bool:
        """Keyframe flags are unreliable, so the packet's content decides for H.264 and HEVC."""
        if self._by_nal:
            return packet.size > 0 and starts_clean(self._codec, memoryview(packet), self._length_size)
        return bool(packet.is_keyframe)


def enter(
    container: av.container.InputContainer,
    video: VideoStream,
    audio: Sequence[Stream],
    point: Fraction,
    damage: Damage | None = None,
) -> Entry:
    """Read up to the last clean keyframe with pts <= `point` (seconds on the container's time line).

    `damage` collects what can't be read from there on. Raises `NoCleanStart`.
    """
    tick = tick_of(video)
    at = tick_upto(point, tick)
    if video.start_time is not None:
        at = max(at, video.start_time)  # there may be audio before the first frame
    best: Entry | None = None
    for back in _STEPS:
        try:
            seek_back(container, video, point - back)
        except av.error.FFmpegError:
            continue
        found = _scan(container, video, audio, at, damage)
        if found is None:
            best = None  # the container has moved on
            continue
        best, silent = found
        # Matroska may hold the first moment's audio before the frame that was sought: read once more.
        if not silent or back >= 1:
            break
    if best is None:
        raise NoCleanStart("there is no keyframe at or before the start that every player can begin with")
    lead = (at - best.key_pts) * tick
    if lead > REACH:
        raise NoCleanStart(f"the last keyframe before the start is {float(lead):.0f} s before it")
    return best


def seek_back(container: av.container.InputContainer, video: VideoStream, point: Fraction) -> None:
    """Continue reading at a packet of `video` with pts <= `point`, if there is one. Raises libav's errors."""
    tick = tick_of(video)
    begin = video.start_time
    if container.format.name in _WITHOUT_INDEX and begin is not None and point <= begin * tick:
        container.seek(0, unsupported_byte_offset=True)  # by time it would end behind the first packet
    else:
        container.seek(tick_upto(point, tick), stream=video, backward=True)


def tick_from(seconds: Fraction, time_base: Fraction) -> int:
    """The first tick that counts as at or after `seconds`."""
    return ceil((seconds - _slack(time_base)) / time_base)


def tick_upto(seconds: Fraction, time_base: Fraction) -> int:
    """The last tick that counts as at or before `seconds`."""
    return floor((seconds + _slack(time_base)) / time_base)


def _slack(time_base: Fraction) -> Fraction:
    """Containers round times to their ticks (Matroska: to milliseconds): 1.001001 s there means the frame at
    1.001. Never as much as a coarse timebase's half tick, which could be half a frame."""
    return min(time_base / 2, Fraction(1, 2000))


def _scan(
    container: av.container.InputContainer,
    video: VideoStream,
    audio: Sequence[Stream],
    at: int,
    damage: Damage | None,
) -> tuple[Entry, bool] | None:
    """The last clean keyframe with pts <= `at` that is read from here, and whether some audio begins late."""
    is_clean, tick = KeyTest(video), tick_of(video)
    source = packets(container, [video, *audio], damage)
    kept: list[AnyPacket] = []
    key: int | None = None
    # After a seek into the middle of MPEG-TS, the first audio may be the end of a truncated packet.
    begins = {s.index: s for s in audio} if container.format.name in ("mpegts", "mpeg") else {}
    for packet in source:
        if packet.pts is None:
            continue
        begun = begins.pop(packet.stream_index, None)
        if begun is not None and _torn(packet, begun):
            continue
        kept.append(packet)
        if packet.stream_index != video.index:
            continue
        if packet.pts <= at:
            if is_clean(packet):
                key = packet.pts
                kept = _from_key(kept, packet, video)
                if damage is not None:
                    damage.clear()
        elif (packet.dts is None and packet.is_keyframe) or (packet.dts is not None and packet.dts > at):
            break
        if key is None and (packet.pts - at) * tick > 2:
            return None
    if key is None:
        return None
    entry = Entry(key, chain(kept, source))
    return entry, _late_audio(kept, audio, key * tick)


def _torn(packet: AnyPacket, stream: Stream) -> bool:
    """Whether a stream's first packet after a seek is the end of one. By its start time where its bytes don't
    say: that is unknown, or another stream's, when the stream begins long after the file."""
    context = context_of(stream)
    check = context and check_for(context.codec.canonical_name, context.extradata)
    if check:
        return check(memoryview(packet)) is not None
    return stream.start_time is not None and packet.pts != stream.start_time


def _from_key(packets: list[AnyPacket], key: AnyPacket, video: VideoStream) -> list[AnyPacket]:
    """Of what was read, the keyframe and the audio that may be played with or after it."""
    start = pts_of(key) * tick_of(video) - 1
    kept = [p for p in packets if p.stream_index != video.index and pts_of(p) * p.time_base >= start]
    kept.append(key)
    return kept


def _late_audio(packets: list[AnyPacket], audio: Sequence[Stream], start: Fraction) -> bool:
    early = {p.stream_index for p in packets if pts_of(p) * p.time_base <= start}
    return any(s.index not in early for s in audio)
