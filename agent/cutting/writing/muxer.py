"""Writes a clip with libavformat: index first, in one pass, with the recording's languages and rotation."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from fractions import Fraction
from heapq import heappop, heappush
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import av
import av.container
from av.audio.stream import AudioStream
from av.stream import Disposition, Stream
from av.subtitles.stream import SubtitleStream
from av.video.stream import VideoStream

from agent.cutting.formats.containers import Container
from agent.cutting.formats.header import CHAPTER_TICK, Header
from agent.cutting.formats.media import StreamInfo
from agent.cutting.formats.packets import AnyPacket, dts_of
from agent.cutting.plan.outcome import Unsuited
from agent.cutting.plan.plan import Plan
from agent.cutting.reading.source import FULL, out_of_space
from clipping.errors import EncoderFailed, NoSpace

_StreamT = TypeVar("_StreamT", bound=Stream)

_SPACE_FLOOR = 64 << 10
_BYTES_A_FRAME = 24
"""In the index: size, decoding time, display offset, keyframe, chunk; half as much is usual."""
_BYTES_AN_AUDIO_PACKET = 12
_BYTES_A_CHAPTER = 512
"""In the index: its title twice."""
_TEXT_TICK = Fraction(1, 1000)


def index_space(plan: Plan, seconds: Fraction) -> int:
    """Bytes to leave in front of the data for the index of a clip of `seconds`, generously."""
    assert plan.video_stream.video is not None
    frames = float(plan.video_stream.video.rate or 60) * float(seconds)
    packets = sum(t.source.audio.sample_rate / 1024 for t in plan.tracks if t.source.audio) * float(seconds)
    chapters = len(plan.chapters) * _BYTES_A_CHAPTER
    return _SPACE_FLOOR + chapters + int(1.3 * (frames * _BYTES_A_FRAME + packets * _BYTES_AN_AUDIO_PACKET))


class Discarded(io.RawIOBase):
    """A file of which only the size is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.size = 0
        self._at = 0

    def writable(self) -> bool:
        """As a file."""
        return True

    def seekable(self) -> bool:
        """As a file."""
        return True

    def write(self, data: Any) -> int:
        """As a file."""
        written = memoryview(data).nbytes
        self._at += written
        self.size = max(self.size, self._at)
        return written

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As a file."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence]
        self._at = base + offset
        return self._at


class Sink:
    """The clip's file while it is written. Use as a context manager: leaving it completes the file."""

    def __init__(
        self, target: Path | Discarded, container: Container, index_bytes: int, header: Header
    ) -> None:
        if container.boxed:
            # Without room in front the index would be moved there in a second pass over the whole file.
            options = {"moov_size": str(index_bytes), "write_tmcd": "1" if header.timecode else "0"}
        else:
            # The muxer would move everything, so that the first frame's decoding time is not below 0.
            options = {"avoid_negative_ts": "disabled"}
        self.forward_only = not container.boxed
        """Whether nothing may begin before the video: Matroska has no negative times."""
        self._boxed = container.boxed
        self._numbered = header.timecode is not None
        place = f"file:{target}" if isinstance(target, Path) else target
        try:
            self._file: av.container.OutputContainer = av.open(
                place, "w", format=container.muxer, options=options
            )
        except av.error.FFmpegError as error:
            where = target.parent if isinstance(target, Path) else "memory"
            raise EncoderFailed(f"no clip can be written in {where}: {error.strerror}") from error
        self._waiting: list[tuple[Fraction, int, AnyPacket]] = []
        """A heap, by time."""
        self._order = count()
        self._say(header)

    def _say(self, header: Header) -> None:
        self._file.metadata.update(header.tags)
        set_chapters(self._file, header)

    def __enter__(self) -> Sink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            try:
                if error is None:
                    self._put_waiting()
            finally:
                self._file.close()
        except av.error.FFmpegError as closing:
            if error is None:
                raise self._problem(closing) from closing

    def copied(self, source: _StreamT, info: StreamInfo, extradata: bytes | None = None) -> _StreamT:
        """A stream that takes `source`'s packets as they are; `extradata` replaces its own."""
        try:
            stream = self._file.add_stream_from_template(source, opaque=True)
        except ValueError as error:
            raise Unsuited(f"{info.codec} does not go into this container") from error
        if info.codec == "hevc" and self._boxed:
            # Apple's players require hvc1.
            stream.codec_context.codec_tag = "hvc1"
        if self._numbered and info.video is not None:
            assert isinstance(stream, VideoStream)
            assert info.video.rate is not None  # a plan has no timecode without it
            stream.codec_context.framerate = info.video.rate  # what timecode is counted by
        if extradata is not None:
            stream.codec_context.extradata = extradata
        _describe(stream, info)
        return stream

    def encoded(self, codec: str, info: StreamInfo, *, rate: int, layout: str, bit_rate: int) -> AudioStream:
        """An audio stream that is encoded."""
        stream = self._file.add_stream(codec, rate=rate, layout=layout)
        assert isinstance(stream, AudioStream)
        stream.bit_rate = bit_rate
        _describe(stream, info)
        return stream

    def converted(self, codec: str, info: StreamInfo, styles: bytes | None) -> SubtitleStream:
        """A stream of subtitles that its encoder makes; `styles`: the header that their decoder gives."""
        stream = self._file.add_stream(codec)
        assert isinstance(stream, SubtitleStream)
        stream.codec_context.subtitle_header = styles
        stream.codec_context.time_base = stream.time_base = _TEXT_TICK
        _describe(stream, info)
        return stream

    def later(self, packet: AnyPacket, stream: Stream) -> None:
        """Append a packet when others have come as far."""
        packet.stream = stream
        heappush(self._waiting, (dts_of(packet) * packet.time_base, next(self._order), packet))

    def write(self, packet: AnyPacket, stream: Stream) -> None:
        """Append a packet; its times are in its own timebase."""
        if self._waiting and packet.dts is not None:
            self._put_waiting(packet.dts * packet.time_base)
        packet.stream = stream
        self._mux(packet)

    def _put_waiting(self, upto: Fraction | None = None) -> None:
        while self._waiting and (upto is None or self._waiting[0][0] <= upto):
            self._mux(heappop(self._waiting)[2])

    def _mux(self, packet: AnyPacket) -> None:
        try:
            self._file.mux_one(packet)
        except av.error.FFmpegError as error:
            raise self._problem(error) from error

    def _problem(self, error: av.error.FFmpegError) -> Exception:
        if out_of_space(error):
            return NoSpace(FULL)
        return Unsuited(f"its packets can't be written as they are ({error.strerror})")


def track_headers(container: av.container.InputContainer, streams: Sequence[StreamInfo]) -> bytes:
    """An MP4 without samples whose tracks are these streams of a recording. Raises `Unsuited`."""
    buffer = io.BytesIO()
    try:
        with av.open(buffer, "w", format="mp4", options={"movflags": "empty_moov"}) as file:
            for info in streams:
                stream = file.add_stream_from_template(container.streams[info.index], opaque=True)
                if info.codec == "hevc":
                    stream.codec_context.codec_tag = "hvc1"
                _describe(stream, info)
            file.start_encoding()
    except (av.error.FFmpegError, ValueError) as error:
        raise Unsuited(f"its streams do not go into an MP4 ({error})") from error
    return buffer.getvalue()


def _describe(stream: Stream, info: StreamInfo) -> None:
    if info.language:
        stream.metadata["language"] = info.language
    if info.title:
        stream.metadata["title"] = info.title
    stream.disposition = Disposition.default if info.default else Disposition(0)


def set_chapters(file: av.container.OutputContainer, header: Header) -> None:
    """Give a file that is about to be written the clip's chapters."""
    file.set_chapters(
        [
            {
                "id": number,
                "start": int(chapter.start / CHAPTER_TICK),
                "end": int(chapter.end / CHAPTER_TICK),
                "time_base": CHAPTER_TICK,
                "metadata": {"title": chapter.title},
            }
            for number, chapter in enumerate(header.chapters, start=1)
        ]
    )
