"""A window of the recording's own packets, from a keyframe on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import accumulate

import numpy as np
from av.stream import Stream
from av.video.stream import VideoStream

from agent.cutting.formats.avc import sets_of
from agent.cutting.formats.bits import Malformed
from agent.cutting.formats.media import StreamInfo
from agent.cutting.formats.nal import joined, length_size
from agent.cutting.formats.packets import AnyPacket, pts_of
from agent.cutting.formats.streams import tick_of
from agent.cutting.indexed.selection import complete
from agent.cutting.preview.audio import NoHeader, WindowAudio, window_audio
from agent.cutting.preview.audio_window import audio_window
from agent.cutting.preview.codecs import name_of
from agent.cutting.preview.describe import audio_of, why_not_copied
from agent.cutting.preview.media import Media
from agent.cutting.preview.models import Window
from agent.cutting.preview.muxing import NotWritable, WindowFile, mime_of, origin_of
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
        track = audio_of(media) if audio else None
        streams = [] if track is None else [container.streams[track.index]]
        try:
            copy = _Copy(media, video, streams, at, at + d, position)
            entered = enter(container, video, streams, at if position is None else position.key)
            copy.read(entered.key_pts, entered.packets)
            return copy.made(track)
        except (NoCleanStart, NoHeader, NotWritable, _Encode):
            return None


@dataclass(frozen=True)
class _Position:
    """Where a window was cut short."""

    key: Fraction
    """Of its first keyframe, on the container's own time line."""
    frames: int
    """How many of the frames from there on have been sent."""
    ahead: int
    """Ticks by which decoding is ahead."""

    def __str__(self) -> str:
        return f"{self.key.numerator}.{self.key.denominator}.{self.frames}.{self.ahead}"

    @classmethod
    def parse(cls, text: str) -> _Position:
        """Raises `InvalidRequest`."""
        try:
            above, below, frames, ahead = (int(part) for part in text.split("."))
            if below < 1 or frames < 1:
                raise ValueError
            return cls(Fraction(above, below), frames, ahead)
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
    audible: list[AnyPacket] = field(default_factory=list)
    bytes: int = 0
    short: bool = False
    """Whether the window ends before what was requested."""
    end: int | None = None
    """When the frame behind the window is shown, once all before it have been read."""
    jumps: bool = False
    """Whether the times jump behind what was read."""

    def __post_init__(self) -> None:
        self._tick = tick_of(self.video)
        self._stop = tick_from(self.stop_at, self._tick)
        self._at = tick_upto(self.at, self._tick)
        self._target = self._stop

    @property
    def over(self) -> bool:
        """Whether nothing follows what was read."""
        return self.end is None

    def read(self, key: int, packets: Iterator[AnyPacket]) -> None:
        """Read what the window holds, and as much further as shows that it is complete. Raises `_Encode`."""
        waiting = bool(self.audio)
        for packet in packets:
            if packet.size == 0:
                continue
            if packet.stream_index != self.video.index:
                waiting = self._take_audio(packet) and waiting
            elif self.end is None:
                if not self._take(packet, key):
                    break
                self._shorten()
                self._conclude()
            elif packet.pts is not None and (packet.pts - self.end) * self._tick > _TRAILING:
                break
            if self.end is not None and not waiting:
                break
        while self.over and len(self.frames) > 1 and self.frames[-1].is_discard:
            del self.frames[-1], self.shown[-1]  # an edit list hides it
        if not self.frames:
            raise _Encode

    def _take_audio(self, packet: AnyPacket) -> bool:
        """The next packet of the audio; whether more of it belongs to the window."""
        if packet.pts is None:
            return True
        self.audible.append(packet)
        self.bytes += packet.size
        return self.end is None or packet.pts * packet.time_base < self.end * self._tick

    def _shorten(self) -> None:
        """End the window here, if it has become too large and holds the least that it must."""
        settings, last = self.media.settings, self.shown[-1] if self.shown else self._stop
        least = tick_from(self.at + Fraction(settings.part_seconds), self._tick)
        if self.bytes > settings.part_bytes and not self.short and least <= last < self._stop:
            self._stop = self._target = last
            self.short = True

    def _conclude(self) -> None:
        """Set the end, if all frames before it have been read."""
        if not self._settled(self._target):
            return
        count = complete(np.array(self.shown), self._stop)
        top = max(self.shown[:count])
        if top < self._target:
            self.end = min(self.shown[count:])
        else:  # it needs a frame from behind its end: those before that one must be known, too
            self._target = top + 1

    def _take(self, packet: AnyPacket, key: int) -> bool:
        """The next packet of the video stream; False where nothing that follows can be used."""
        if packet.pts is None:
            raise _Encode
        pts = pts_of(packet)
        if self._may_jump and self.shown and abs(pts - self.shown[-1]) * self._tick > _JUMP:
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

    @property
    def _may_jump(self) -> bool:
        return self.media.info.demuxer in ("mpegts", "mpeg")

    def _settled(self, target: int) -> bool:
        """Whether every frame that is shown before `target` has been read."""
        reordered = max(1, self._reordered)
        return sum(pts >= target for pts in self.shown[-4 * reordered - 4 :]) > reordered

    def _usual(self) -> int:
        times = sorted(set(self.shown))
        gaps = np.diff(times)
        if len(gaps):
            return int(np.median(gaps))
        rate = self.video.average_rate
        return max(1, round((1 / rate if rate else _USUAL) / self._tick))

    def made(self, track: StreamInfo | None) -> Window:
        """The window."""
        if self.end is None:
            count, end = len(self.shown), self._end_of_all()
        else:
            count, end = complete(np.array(self.shown), self._stop), self.end
        if len(set(self.shown[:count])) != count:
            raise _Encode  # two frames at one time: fields, or damage
        if end <= self._at and self.over:
            raise RangeBeyondEnd(
                f"t is behind the last frame of {self.media.source.name.name}, which ends at "
                f"{float(end * self._tick - self.media.info.zero):.3f} s"
            )
        lasts = _lasts(self.shown[:count], end)
        decoded, ahead = _decoded(self.shown[:count], lasts, self._reordered * self._usual())
        sent = 0
        # With other decoding times it would not continue what was sent: send all of it again.
        if self.position is not None and self.position.ahead == ahead and self.position.frames < count:
            sent = self.position.frames
        return self._written(track, sent, lasts, decoded, end, ahead)

    @property
    def _reordered(self) -> int:
        assert self.media.video is not None
        assert self.media.video.video is not None
        return self.media.video.video.reorder_frames

    def _end_of_all(self) -> int:
        """Where the last frame ends, of those that no edit list hides."""
        seen = [n for n, frame in enumerate(self.frames) if not frame.is_discard] or [0]
        last = max(seen, key=lambda n: self.shown[n])
        return self.shown[last] + max(self.frames[last].duration or 0, self._usual())

    def _written(
        self, track: StreamInfo | None, sent: int, lasts: list[int], decoded: list[int], end: int, ahead: int
    ) -> Window:
        count = len(decoded)
        tick, zero = self._tick, self.media.info.zero
        file = WindowFile()
        assert self.media.video is not None
        codec = self.media.video.codec
        extradata = _headers(codec, self.frames[0], self.video)
        name = name_of(self.media.video, extradata or self.video.codec_context.extradata)
        target = file.copied(self.video, codec, extradata)
        items: list[tuple[AnyPacket, Stream]] = []
        for number in range(sent, count):
            packet = _moved(self.frames[number], self.shown[number], decoded[number])
            packet.duration = lasts[number]
            items.append((packet, target))
        begin = self.at if sent else self.shown[0] * tick
        audio = WindowAudio([], None, whole=False)
        if track is not None:
            stream, stop = self.audio[0], end * tick
            audio = window_audio(
                file, stream, track, self.audible, begin, stop, over=self.over, again=bool(sent)
            )
        items += audio.items
        origin = origin_of(items, tick)
        file.write(items, origin)
        more = str(_Position(self.shown[0] * tick, count, ahead)) if self.short and not self.over else None
        return Window(
            data=file.finish(),
            kind="copy",
            mime=mime_of(name, audio.name),
            offset=origin - zero,
            start=min(self.shown[sent:count]) * tick - zero,
            end=end * tick - zero,
            frames=count - sent,
            audio=audio.whole,
            last=self.over and not self.jumps,
            more=more,
        )


def _lasts(shown: list[int], end: int) -> list[int]:
    """For how long each frame is shown."""
    ordered = sorted(shown)
    following = dict(zip(ordered, [*ordered[1:], max(end, ordered[-1] + 1)], strict=True))
    return [max(1, following[at] - at) for at in shown]


def _decoded(shown: list[int], lasts: list[int], least: int) -> tuple[list[int], int]:
    """Decoding times, and by how much the first is ahead: at least `least`.

    An MP4 has one duration for both the decoding times and the time for which a browser takes a frame to be
    shown. So decoding is as far apart as frames are shown, in another order.
    """
    since = list(accumulate(lasts[:-1], initial=0))
    ahead = max(least, *(passed - (at - shown[0]) for passed, at in zip(since, shown, strict=True)))
    return [shown[0] - ahead + passed for passed in since], ahead


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
