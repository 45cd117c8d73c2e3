"""A recording, as a job uses it: opened only as far as the cut needs it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, suppress
from fractions import Fraction
from types import TracebackType
from typing import Self

import av.container

from agent.cutting.cache import Cache
from agent.cutting.formats.media import MediaInfo
from agent.cutting.indexed import excerpt
from agent.cutting.indexed.not_plain import NotPlain
from agent.cutting.indexed.readers import kept, reader_of
from agent.cutting.indexed.recording import Recording
from agent.cutting.indexed.tracks import Trak, tracks_of
from agent.cutting.plan.outcome import Unsuited
from agent.cutting.plan.plan import Plan
from agent.cutting.process.limits import own_memory_limit
from agent.cutting.reading.probe import describe
from agent.cutting.reading.source import SourceFile, open_source
from agent.cutting.reading.unindexed.window import Cutout, Indexless, indexless
from agent.cutting.writing.muxer import track_headers
from clipping.errors import SourceCorrupt

_UNFIT = (NotPlain, OSError, IndexError, ValueError, ArithmeticError, MemoryError)
"""What reading an index may raise: the recording is then demuxed."""


class Opened:
    """Use as a context manager. Raises as `source.open_source` and `probe.describe`."""

    def __init__(self, source: SourceFile, cache: Cache) -> None:
        self.source = source
        self._cache = cache
        self._stack = ExitStack()
        self._container: av.container.InputContainer | None = None
        self._from_start = False
        self.cutout = Cutout()
        """What of the recording the container from `around` holds."""
        self._recording: Recording | None = None
        self._range: tuple[Fraction, Fraction] | None = None
        """What of the recording `_recording` holds; None: all."""
        self._headers: bytes | None = None
        self._reader: excerpt.Reader | None = None
        self._plain = True

    def __enter__(self) -> Self:
        self._indexless = self._without_index()
        known = self._cache.info(self.source.identity)
        try:
            self.info: MediaInfo = known or self._look()
        except MemoryError:
            raise SourceCorrupt(
                f"{self.source.name.name} can't be read: its index, chapters and tracks need more than "
                f"{own_memory_limit() >> 20} MB of memory"
            ) from None
        if known is None:
            self._cache.keep_info(self.info)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)  # what is open there translates libav's errors

    def around(self, plan: Plan) -> av.container.InputContainer:
        """The demuxed recording, of which perhaps only what lies near the plan's range can be read."""
        if self._container is None:
            near = self._indexless
            if near is None:
                self._container = self._stack.enter_context(open_source(self.source))
            else:
                opening = near.around(plan.start, plan.stop, from_start=self._from_start)
                self._container, self.cutout = self._stack.enter_context(opening)
        return self._container

    @property
    def demuxed(self) -> bool:
        """Whether libavformat has it open."""
        return self._container is not None

    def widen(self) -> bool:
        """Have `around` give all that lies before the range, too; False when it has done so already."""
        if self._container is None or not self.cutout.begins_late:
            return False
        self._container, self._from_start = None, True
        return True

    def recording(self, plan: Plan) -> Recording | None:
        """The recording by its index, with what the plan needs of it; None where it has to be demuxed."""
        if self._range not in (None, (plan.start, plan.stop)):
            self._recording = None
        if self._recording is None and self._plain:
            self._recording = self._by_index() or self._by_excerpt(plan)
            self._plain = self._recording is not None
        return self._recording

    def _without_index(self) -> Indexless | None:
        try:
            return indexless(self.source)
        except OSError:
            return None  # opening it again will say why

    def _look(self) -> MediaInfo:
        if self._indexless is not None:
            return self._indexless.describe(self._keep_headers)
        self._container = self._stack.enter_context(open_source(self.source))
        info = describe(self._container, self.source)
        self._keep_headers(self._container, info)
        return info

    def _keep_headers(self, container: av.container.InputContainer, info: MediaInfo) -> None:
        """Remember what cutting by an excerpt needs of a recording that is open anyway."""
        streams = kept(info)
        if streams:
            with suppress(Unsuited):
                self._headers = track_headers(container, streams)
                self._cache.keep_headers(self.source.identity, self._headers)

    def _by_index(self) -> Recording | None:
        if self.info.demuxer != "mov" or self._indexless is not None:
            return None
        try:
            tracks = dict(enumerate(tracks_of(self._cache.index(self.source))))
            recording = self._stack.enter_context(Recording(self.source, tracks))
            whole = len(recording.tracks) == len(self.info.streams)
            return recording if whole and _agrees(recording.start, self.info) else None
        except _UNFIT:
            return None

    def _by_excerpt(self, plan: Plan) -> Recording | None:
        def headers() -> bytes:
            found = self._headers or self._cache.headers(self.source.identity)
            if found is None:
                self._keep_headers(self.around(plan), self.info)
                found = self._headers
            if found is None:
                raise NotPlain("its streams do not go into an MP4")
            return found

        def opening(tracks: Mapping[int, Trak]) -> Recording:
            assert self._reader is not None
            return Recording(self.source, tracks, self._reader.between)

        try:
            if self._reader is None:
                self._reader = self._stack.enter_context(reader_of(self.source, self.info, headers))
                if not _agrees(excerpt.start(self._reader, opening), self.info):
                    return None
            self._range = (plan.start, plan.stop)
            return self._stack.enter_context(excerpt.around(self._reader, plan, opening))
        except _UNFIT:
            return None

    def distrust_index(self) -> None:
        """A clip that was cut by it is damaged: leave everything to libavformat."""
        self._recording, self._plain = None, False


def _agrees(start: Fraction, info: MediaInfo) -> bool:
    """Whether libavformat, which players are built with, sees the same video at the same time."""
    video = info.video_stream
    return video is not None and (video.start is None or abs(start - video.start) < 2 * video.time_base)
