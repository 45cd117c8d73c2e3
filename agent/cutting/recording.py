"""A recording, as a job uses it: opened only as far as the cut needs it."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import Self

import av.container

from agent.cutting.cache import Cache
from agent.cutting.formats.media import MediaInfo
from agent.cutting.indexed.not_plain import NotPlain
from agent.cutting.indexed.recording import Recording
from agent.cutting.indexed.tracks import tracks_of
from agent.cutting.plan.plan import Plan
from agent.cutting.process.limits import own_memory_limit
from agent.cutting.reading.probe import describe
from agent.cutting.reading.source import SourceFile, open_source
from agent.cutting.reading.unindexed.window import Cutout, Indexless, indexless
from clipping.errors import SourceCorrupt


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

    def widen(self) -> bool:
        """Have `around` give all that lies before the range, too; False when it has done so already."""
        if self._container is None or not self.cutout.begins_late:
            return False
        self._container, self._from_start = None, True
        return True

    @property
    def recording(self) -> Recording | None:
        """The recording by its index, if it is a plain MP4 or MOV."""
        if self._recording is None and self._plain:
            self._recording = self._by_index()
            self._plain = self._recording is not None
        return self._recording

    def _without_index(self) -> Indexless | None:
        try:
            return indexless(self.source)
        except OSError:
            return None  # opening it again will say why

    def _look(self) -> MediaInfo:
        if self._indexless is not None:
            return self._indexless.describe()
        self._container = self._stack.enter_context(open_source(self.source))
        return describe(self._container, self.source)

    def _by_index(self) -> Recording | None:
        if self.info.demuxer != "mov":
            return None
        try:
            tracks = tracks_of(self._cache.index(self.source))
            recording = Recording(self.source, tracks)
            self._stack.enter_context(recording)
            return recording if _agrees(recording, self.info) else None
        except (NotPlain, OSError, IndexError, ValueError, MemoryError):
            return None

    def distrust_index(self) -> None:
        """A clip that was cut by it is damaged: leave everything to libavformat."""
        self._recording, self._plain = None, False


def _agrees(recording: Recording, info: MediaInfo) -> bool:
    """Whether libavformat, which players are built with, sees the same video at the same time."""
    video = info.video_stream
    if len(recording.tracks) != len(info.streams) or video is None:
        return False
    return video.start is None or abs(recording.start - video.start) < 2 * video.time_base
