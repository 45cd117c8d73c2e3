"""A window of the recording's own packets, from a keyframe on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from av.stream import Stream
from av.video.stream import VideoStream

from agent.cutting.formats.avc import sets_of
from agent.cutting.formats.bits import Malformed
from agent.cutting.formats.dts import decode_times
from agent.cutting.formats.media import StreamInfo
from agent.cutting.formats.nal import joined, length_size
from agent.cutting.formats.packets import AnyPacket, pts_of
from agent.cutting.formats.streams import tick_of
from agent.cutting.indexed.selection import complete
from agent.cutting.preview.audio import NoHeader, has_no_gap, plain, played
from agent.cutting.preview.audio_window import audio_window
from agent.cutting.preview.codecs import name_of
from agent.cutting.preview.describe import audio_of, why_not_copied
from agent.cutting.preview.media import Media
from agent.cutting.preview.models import Window
from agent.cutting.preview.muxing import WindowFile, mime_of
from agent.cutting.reading.seek import NoCleanStart, enter, tick_from, tick_upto
from clipping.errors import InvalidRequest, RangeBeyondEnd

_TRAILING = Fraction(2)
"""Seconds by which audio may lie behind its video in the file."""
_JUMP = Fraction(10)
"""Seconds: a larger step of the times is a discontinuity, behind which nothing is known."""
_USUAL = Fraction(1, 25)


class _Encode(Exception):
    """The packets can't be copied there."""


def window(media: Media, t: Fraction, d: Fraction, audio: bool, more: str | None) -> Window | None:
    """See `Previews.window`. None: it has to be encoded."""
    media.check_within(t)
    alone = audio_of(media)
    if media.video is None and alone is not None:
        return audio_window(media, alone, t, d)
    if why_not_copied(media) is not None:
        return None
    at = media.info.zero + t
    position = _Position.parse(more) if more is not None else None
    with media.near(at, at + d) as container:
        video = media.video_in(container)
        sound = audio_of(media) if audio else None
        streams = [] if sound is None else [container.streams[sound.index]]
        try:
            copy = _Copy(media, video, streams, at, at + d, position)
            entered = enter(container, video, streams, at if position is None else position.key)
            copy.read(entered.key_pts, entered.packets)
            return copy.made(sound)
        except (NoCleanStart, NoHeader, _Encode):
            return None


@dataclass(frozen=True)
class _Position:
    """Where a window was cut short."""

    key: Fraction
    """Of its first keyframe, on the container's own time line."""
    frames: int
    """How many of the frames from there on have been sent."""
    delay: int
    """By how many frames decoding is ahead."""

    def __str__(self) -> str:
        return f"{self.key.numerator}.{self.key.denominator}.{self.frames}.{self.delay}"

    @classmethod
    def parse(cls, text: str) -> _Position:
        """Raises `InvalidRequest`."""
        try:
            above, below, frames, delay = (int(part) for part in text.split("."))
            if below < 1 or frames < 1 or not 0 <= delay <= 64:
                raise ValueError
            return cls(Fraction(above, below), frames, delay)
        except ValueError:
            raise InvalidRequest("more must be what an earlier window returned", field="more") from None


@dataclass
class _Copy:
    """The packets of one window. Times in ticks of the video stream, on the container's own time line."""

    media: Media
    video: VideoStream
    audio: list[Stream]
    at: Fraction
    stop_at: Fraction
    position: _Position | None
    frames: list[AnyPacket] = field(default_factory=list)
    shown: list[int] = field(default_factory=list)
    sounding: list[AnyPacket] = field(default_factory=list)
    bytes: int = 0
    over: bool = False
    """Whether the recording ends, or its times jump, behind what was read."""
    jumps: bool = False

    def read(self, key: int, packets: Iterator[AnyPacket]) -> None:
        """Read what the window holds, and as much further as shows that it is complete. Raises `_Encode`."""
        self._tick, settings = tick_of(self.video), self.media.settings
        self._stop = tick_from(self.stop_at, self._tick)
        self._at = tick_upto(self.at, self._tick)
        least = min(self._stop, tick_from(self.at + Fraction(settings.part_seconds), self._tick))
        self.short = False
        target, end = self._stop, None
        waiting = bool(self.audio)
        for packet in packets:
            if packet.size == 0:
                continue
            if packet.stream_index != self.video.index:
                if packet.pts is not None:
                    self.sounding.append(packet)
                    self.bytes += packet.size
                    waiting = waiting and (end is None or packet.pts * packet.time_base < end * self._tick)
            elif end is None:
                if not self._take(packet, key):
                    break
                if (
                    self.bytes > settings.part_bytes
                    and least <= self.shown[-1] < self._stop
                    and not self.short
                ):
                    self._stop, self.short = self.shown[-1], True
                    target = self._stop
                if self._settled(target):
                    count = complete(np.array(self.shown), self._stop)
                    top = max(self.shown[:count])
                    if top >= target:
                        target = top + 1
                    else:
                        end = min(self.shown[count:])
            elif packet.pts is not None and (packet.pts - end) * self._tick > _TRAILING:
                break
            if end is not None and not waiting:
                break
        self.over = end is None
        if not self.frames:
            raise _Encode

    def _take(self, packet: AnyPacket, key: int) -> bool:
        """The next packet of the video stream; False where nothing that follows can be used."""
        if packet.pts is None:
            raise _Encode
        pts = pts_of(packet)
        if self.shown and abs(pts - self.shown[-1]) * self._tick > _JUMP:
            self.jumps = True
            return False
        if pts < key:
            return True  # a leading frame: it needs frames from before
        self.frames.append(packet)
        self.shown.append(pts)
        sent = 0 if self.position is None else self.position.frames
        if len(self.frames) > sent:
            self.bytes += packet.size
        if self.bytes > self.media.settings.max_bytes:
            raise _Encode
        return True

    def _settled(self, target: int) -> bool:
        """Whether every frame that is shown before `target` has been read."""
        assert self.media.video is not None
        assert self.media.video.video is not None
        reordered = max(1, self.media.video.video.reorder_frames)
        return sum(pts >= target for pts in self.shown[-4 * reordered - 4 :]) > reordered

    def _usual(self) -> int:
        times = sorted(set(self.shown))
        gaps = np.diff(times)
        if len(gaps):
            return int(np.median(gaps))
        rate = self.video.average_rate
        return max(1, round((1 / rate if rate else _USUAL) / self._tick))

    def made(self, sound: StreamInfo | None) -> Window:
        """The window."""
        if self.over:
            count, end = len(self.shown), self._end_of_all()
        else:
            count = complete(np.array(self.shown), self._stop)
            end = min(self.shown[count:])
        if len(set(self.shown[:count])) != count:
            raise _Encode  # two frames at one time: fields, or damage
        if end <= self._at and self.over:
            raise RangeBeyondEnd(
                f"t is behind the last frame of {self.media.source.name.name}, which ends at "
                f"{float(end * self._tick - self.media.info.zero):.3f} s"
            )
        usual = self._usual()
        decoded, delay = _decoded(self.shown[:count], usual, self._delay())
        sent = self._sent(count, delay)
        return self._written(sound, sent, count, decoded, end, delay)

    def _delay(self) -> int:
        assert self.media.video is not None
        assert self.media.video.video is not None
        return self.media.video.video.reorder_frames

    def _sent(self, count: int, delay: int) -> int:
        """How many frames need not be sent again."""
        if self.position is None:
            return 0
        # Another delay would break the row of decoding times: send all.
        return self.position.frames if self.position.frames < count and self.position.delay == delay else 0

    def _end_of_all(self) -> int:
        last = int(np.argmax(self.shown))
        return self.shown[last] + max(self.frames[last].duration or 0, self._usual())

    def _written(
        self, sound: StreamInfo | None, sent: int, count: int, decoded: list[int], end: int, delay: int
    ) -> Window:
        tick, zero = self._tick, self.media.info.zero
        file = WindowFile()
        assert self.media.video is not None
        codec = self.media.video.codec
        extradata = _headers(codec, self.frames[0], self.video)
        name = name_of(self.media.video, extradata or self.video.codec_context.extradata)
        target = file.copied(self.video, codec, extradata)
        items: list[tuple[AnyPacket, Stream]] = []
        ends = [*decoded[1:count], decoded[count - 1] + max(1, end - max(self.shown[:count]))]
        for number in range(sent, count):
            packet = _moved(self.frames[number], self.shown[number], decoded[number])
            packet.duration = max(1, ends[number] - decoded[number])
            items.append((packet, target))
        begin = self.at if sent else self.shown[0] * tick
        audio_name, whole = None, False
        if sound is not None:
            stream = self.audio[0]
            found = played(self.sounding, begin, end * tick, again=bool(sent))
            config, sounding = plain(stream, sound, found)
            audio_name = name_of(sound, config or stream.codec_context.extradata)
            audio_target = file.copied(stream, sound.codec, config)
            items += [(packet, audio_target) for packet in sounding]
            whole = has_no_gap(sounding, begin, end * tick)
        origin = min(p.dts * p.time_base for p, _ in items if p.dts is not None)
        file.write(items, origin)
        more = str(_Position(self.shown[0] * tick, count, delay)) if self.short and not self.over else None
        return Window(
            data=file.finish(),
            kind="copy",
            mime=mime_of(name, audio_name),
            offset=origin - zero,
            start=min(self.shown[sent:count]) * tick - zero,
            end=end * tick - zero,
            frames=count - sent,
            audio=whole,
            last=self.over and not self.jumps,
            more=more,
        )


def _decoded(shown: list[int], usual: int, least: int) -> tuple[list[int], int]:
    """Decoding times that are `least` frames ahead, or as many as these frames need; and how many."""
    ordered = sorted(shown)
    ranks = {at: rank for rank, at in enumerate(ordered)}
    delay = max(position - ranks[at] for position, at in enumerate(shown))
    if delay >= least:
        return decode_times(shown, usual), delay
    before = [ordered[0] - (least - n) * usual for n in range(min(least, len(ordered)))]
    return (before + ordered)[: len(ordered)], least


def _headers(codec: str, first: AnyPacket, video: Stream) -> bytes | None:
    """Parameter sets in the keyframe itself, which hold from there on, where the stream is no MP4's."""
    extradata = video.codec_context.extradata
    if codec != "h264" or length_size(codec, extradata) is not None:
        return None
    try:
        sets = sets_of(bytes(first))
    except (Malformed, IndexError):
        return None
    return joined(sets, None) if sets else None


def _moved(packet: AnyPacket, shown: int, decoded: int) -> AnyPacket:
    packet.pts, packet.dts = shown, decoded
    return packet
