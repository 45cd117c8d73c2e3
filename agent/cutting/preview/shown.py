"""The decoded frames of a range, beginning with the one that is shown when it begins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain

import av
import av.container
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from agent.cutting.formats.packets import AnyPacket, packet_of, pts_of
from agent.cutting.formats.streams import tick_of
from agent.cutting.preview.media import Media, decoder_of
from agent.cutting.process.limits import short_of_memory
from agent.cutting.reading.demux import packets
from agent.cutting.reading.seek import NoCleanStart, enter, tick_from, tick_upto
from clipping.errors import SourceCorrupt

_TRAILING = Fraction(2)
"""Seconds by which audio may lie behind its video in the file."""
_STEPS = (Fraction(2), Fraction(10), Fraction(30))
"""Seconds before the range at which to begin where no keyframe is clean."""


@dataclass
class Shown:
    """Iterate over `frames` once. Times in ticks of the stream, on the container's own time line."""

    media: Media
    video: VideoStream
    audio: list[Stream]
    start: int
    stop: int
    following: int | None = None
    """When the frame behind the range is shown; None: there is none. Known when `frames` has ended."""
    audible: list[AnyPacket] = field(default_factory=list)
    """The audio packets that were passed."""

    def frames(self, container: av.container.InputContainer) -> Iterator[VideoFrame]:
        """The frames, in the order in which they are shown. None where the video has ended before."""
        begun = False
        for frame in self._from_keyframe(container):
            begun = True
            yield frame
        if begun:
            return
        for back in _STEPS:
            found = self._from_anywhere(container, back)
            first = next(found, None)
            if first is not None and (_pts(first) <= self.start or back == _STEPS[-1]):
                yield from chain([first], found)
                return

    def _from_keyframe(self, container: av.container.InputContainer) -> Iterator[VideoFrame]:
        tick = tick_of(self.video)
        try:
            entry = enter(container, self.video, self.audio, self.start * tick)
        except NoCleanStart:
            return
        yield from self._decoded(entry.packets)

    def _from_anywhere(self, container: av.container.InputContainer, back: Fraction) -> Iterator[VideoFrame]:
        self.audible.clear()
        try:
            container.seek(self.start - int(back / tick_of(self.video)), stream=self.video, backward=True)
        except av.error.FFmpegError:
            return
        yield from self._decoded(packets(container, [self.video, *self.audio]))

    def _decoded(self, source: Iterator[AnyPacket]) -> Iterator[VideoFrame]:
        """Frames in the range, and before them the last one from before it."""
        ahead, first = self._ahead(source)
        before: VideoFrame | None = None
        self.following = None
        for frame in self._all(chain(ahead, self._video_of(source)), first):
            at = _pts(frame)
            if at <= self.start:
                before = frame
                continue
            if before is not None:
                yield before
                before = None
            if at >= self.stop:
                self.following = at
                break
            yield frame
        if before is not None:
            yield before
        if self.following is not None:
            self._read_trailing(source, self.following)

    def _read_trailing(self, source: Iterator[AnyPacket], end: int) -> None:
        """Read the audio that is played with the last frames and lies behind them in the file."""
        tick = tick_of(self.video)
        enough, far = end * tick, end * tick + _TRAILING
        last = self.audible[-1] if self.audible else None
        if not self.audio or (last is not None and pts_of(last) * last.time_base >= enough):
            return
        for packet in source:
            if packet.pts is None or packet.size == 0:
                continue
            at = packet.pts * packet.time_base
            if packet.stream_index != self.video.index:
                self.audible.append(packet)
                if at >= enough:
                    return
            elif at > far:
                return

    def _ahead(self, source: Iterator[AnyPacket]) -> tuple[list[AnyPacket], int | None]:
        """The packets up to where the first frame of the range is known, and when that is shown."""
        kept: list[AnyPacket] = []
        info = self.media.video
        reordered = max(1, info.video.reorder_frames if info and info.video else 1)
        later, first = 0, None
        for packet in self._video_of(source):
            kept.append(packet)
            if packet.pts is None:
                return kept, None
            if packet.pts <= self.start:
                first = packet.pts if first is None else max(first, packet.pts)
            else:
                later += 1
                if later > reordered:
                    break
        return kept, first

    def _video_of(self, source: Iterator[AnyPacket]) -> Iterator[AnyPacket]:
        for packet in source:
            if packet.stream_index == self.video.index:
                yield packet
            elif packet.pts is not None:
                self.audible.append(packet)

    def _all(self, source: Iterator[AnyPacket], first: int | None) -> Iterator[VideoFrame]:
        decoder = decoder_of(self.video)
        if self.media.primer is not None:
            for _ in _decode(decoder, packet_of(self.media.primer)):
                pass
            decoder.flush_buffers()
        for packet in source:
            early = first is not None and packet.pts is not None and packet.pts < first
            decoder.skip_frame = "NONREF" if early else "DEFAULT"
            if packet.size:
                yield from _decode(decoder, packet)
        decoder.skip_frame = "DEFAULT"
        yield from _decode(decoder, None)


def shown(media: Media, video: VideoStream, audio: list[Stream], start: Fraction, stop: Fraction) -> Shown:
    """The frames from `start` to `stop`, in seconds of the container."""
    tick = tick_of(video)
    return Shown(media, video, audio, tick_upto(start, tick), tick_from(stop, tick))


def nothing(media: Media) -> SourceCorrupt:
    """The error where no frame could be decoded. Raises `MemoryError` where that may be the reason."""
    if short_of_memory():
        raise MemoryError
    return SourceCorrupt(f"no frame of {media.source.name.name} can be decoded there")


def _decode(decoder: VideoCodecContext, packet: AnyPacket | None) -> Iterator[VideoFrame]:
    """What can be decoded; players pass over the rest, too."""
    try:
        found = decoder.decode(packet)
    except av.error.FFmpegError as error:
        if isinstance(error, MemoryError) and short_of_memory():
            raise MemoryError from error
        return
    yield from (frame for frame in found if frame.pts is not None and not frame.is_corrupt)


def _pts(frame: VideoFrame) -> int:
    assert frame.pts is not None
    return frame.pts
