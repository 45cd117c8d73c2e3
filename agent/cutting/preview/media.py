"""A recording that a worker keeps open between calls."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from types import TracebackType
from typing import Self

import av
import av.container
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from agent.cutting.cache import Cache
from agent.cutting.formats.media import MediaInfo, StreamInfo
from agent.cutting.formats.mp4 import Edit, Index, Track
from agent.cutting.formats.streams import video_stream
from agent.cutting.indexed.not_plain import NotPlain
from agent.cutting.preview.models import PreviewSettings
from agent.cutting.reading.probe import examine
from agent.cutting.reading.source import SourceFile, decoder_options, open_source, reading
from agent.cutting.reading.unindexed.window import Indexless, indexless
from clipping.errors import InvalidRequest, RangeBeyondEnd, SourceHasNoVideo, TooLarge

UNFIT = (NotPlain, OSError, IndexError, KeyError, ValueError, ArithmeticError, MemoryError)
"""What reading an index may raise: libavformat then reads the recording."""
_KEPT = Fraction(30)
"""Seconds around a range that stay readable in a recording without an index."""
_SHARE = 0.8
"""Of `call_seconds`: a call that can return part of its result does so after this."""


@dataclass(frozen=True)
class TrackIndex:
    """A track in an MP4's index."""

    track: Track
    file_tick: Fraction
    """Seconds, in which edits are counted."""
    edits: tuple[Edit, ...]

    @property
    def parts(self) -> tuple[Edit, ...]:
        """The edits that show something of the track."""
        return tuple(edit for edit in self.edits if edit.start != -1)

    @property
    def shift(self) -> int:
        """Ticks that the track's own time is ahead of the file's, where it has at most one part."""
        delay = self.edits[0].length * self.file_tick if self.edits and self.edits[0].start == -1 else 0
        return sum(edit.start for edit in self.parts) - round(delay / self.track.tick)


class Media:
    """Use as a context manager. What it raises is translated: see `reading.source.reading`."""

    def __init__(self, source: SourceFile, settings: PreviewSettings) -> None:
        self.source = source
        self.settings = settings
        self.cache = Cache(settings.cache_dir)
        self._stack, self._kept_stack = ExitStack(), ExitStack()
        self._kept: tuple[Fraction, Fraction, av.container.InputContainer] | None = None
        self._container: av.container.InputContainer | None = None
        self._patience = 0.0
        self.gpu_failed = False
        """Whether an encode on a GPU failed: the next ones are made on the CPU."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stack, self._kept_stack:
            pass

    def begin(self, now: float) -> None:
        """A call begins."""
        self._patience = now + self.settings.call_seconds * _SHARE

    @property
    def late(self) -> bool:
        """Whether this call should return what it has."""
        return time.monotonic() > self._patience

    @cached_property
    def info(self) -> MediaInfo:
        """What the recording holds, with or without video. Raises `SourceCorrupt`, `SourceUnavailable`."""
        known = self.cache.info(self.source.identity)
        if known is not None:
            return known
        if self._indexless is not None:
            info = self._indexless.describe(lambda *_: None)
        else:
            info = examine(self._opened(), self.source)
        if info.video_stream is not None:  # the engine takes what is cached for a recording with video
            self.cache.keep_info(info)
        return info

    @cached_property
    def video(self) -> StreamInfo | None:
        """The video stream, if its header could be read."""
        stream = self.info.video_stream
        known = stream is not None and stream.video is not None and stream.video.width > 0
        return stream if known and stream is not None and stream.codec != "none" else None

    @property
    def video_rate(self) -> Fraction | None:
        """Frames a second, averaged; None when unknown."""
        return None if self.video is None or self.video.video is None else self.video.video.rate

    @cached_property
    def index(self) -> TrackIndex | None:
        """The video's track in the index of an MP4 that is not fragmented; None where there is none."""
        if self.info.demuxer != "mov" or self._indexless is not None or self.video is None:
            return None
        try:
            index = Index.of(self.cache.index(self.source))
            number = self._opened().streams[self.video.index].id
            track = next(track for track in index.tracks if track.number == number)
            # Reading it now shows whether it is damaged.
            if index.fragmented or not track.samples.count:
                return None
            return TrackIndex(track, index.tick, tuple(track.edits))
        except (StopIteration, *UNFIT):
            return None

    @cached_property
    def primer(self) -> bytes | None:
        """The first packet of the video stream, where a decoder needs it before any other.

        x264 writes how to decode 4:4:4 into the first frame only.
        """
        video = self.video
        if video is None or video.codec != "h264" or not (video.profile or "").startswith("High 4:4:4"):
            return None
        with open_source(self.source) as container:
            packet = next(container.demux(container.streams[video.index]), None)
            return None if packet is None else bytes(packet)

    @contextmanager
    def near(self, start: Fraction, stop: Fraction) -> Iterator[av.container.InputContainer]:
        """The demuxed recording, in which at least what lies near a range can be read.

        The times are seconds on the container's own time line.
        """
        with reading(self.source.name):
            yield self._opened() if self._indexless is None else self._part(self._indexless, start, stop)

    def _part(self, indexless: Indexless, start: Fraction, stop: Fraction) -> av.container.InputContainer:
        """The part of a recording without an index, kept open for what is requested next."""
        if self._kept is not None and self._kept[0] <= start and stop <= self._kept[1]:
            return self._kept[2]
        self._kept = None
        self._kept_stack.close()
        begin, end = max(start - _KEPT, Fraction(0)), stop + _KEPT
        container, _ = self._kept_stack.enter_context(indexless.around(begin, end))
        self._kept = (begin, end, container)
        return container

    def video_in(self, container: av.container.InputContainer) -> VideoStream:
        """The video stream. Raises `SourceHasNoVideo`, and `TooLarge`."""
        if self.video is None or self.video.video is None:
            raise SourceHasNoVideo(f"{self.source.name.name} has no video stream that can be read")
        size = self.video.video.width * self.video.video.height
        if size > self.settings.max_pixels:
            raise TooLarge(
                f"{self.source.name.name} has frames of more than the {self.settings.max_pixels} pixels that "
                "cutting.max_pixels allows"
            )
        return video_stream(container, self.video.index)

    def check_within(self, time: Fraction, field: str = "t") -> None:
        """Raise `InvalidRequest` for a time below 0, and `RangeBeyondEnd` for one behind the end."""
        if time < min(Fraction(0), self.info.zero):
            raise InvalidRequest(f"{field} is below 0: choose a time of the recording", field=field)
        duration = self.info.duration
        if duration is not None and time >= duration + 1:
            raise RangeBeyondEnd(
                f"{field} is {float(time):.3f} s, but {self.source.name.name} ends at {float(duration):.3f} s"
            )

    @cached_property
    def _indexless(self) -> Indexless | None:
        try:
            return indexless(self.source)
        except OSError:
            return None  # opening it again shows why

    @property
    def indexless(self) -> bool:
        """Whether the file has no index, so that libavformat has it open for one range at a time."""
        return self._indexless is not None

    def _opened(self) -> av.container.InputContainer:
        if self._container is None:
            self._container = self._stack.enter_context(open_source(self.source))
        return self._container


def decoder_of(stream: Stream, **options: str) -> VideoCodecContext:
    """A new decoder for a video stream."""
    original = stream.codec_context
    decoder = av.CodecContext.create(original.codec.name, "r")
    assert isinstance(decoder, VideoCodecContext)
    assert isinstance(original, VideoCodecContext)
    decoder.extradata = original.extradata
    decoder.width, decoder.height = original.width, original.height
    if original.pix_fmt:
        decoder.pix_fmt = original.pix_fmt
    decoder.options = options | decoder_options()
    decoder.thread_type = "AUTO"
    return decoder
