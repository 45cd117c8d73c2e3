"""Opening a recording without an index near a moment, so that reading it costs what the clip does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import BinaryIO

import av
import av.container

from agent.cutting.formats.media import MediaInfo
from agent.cutting.plan.extent import REACH
from agent.cutting.reading.holes import data_end, pieces
from agent.cutting.reading.probe import describe
from agent.cutting.reading.source import OPENING, SourceFile, bounded, reading, url_of
from agent.cutting.reading.unindexed.clusters import clusters
from agent.cutting.reading.unindexed.fragments import fragments
from agent.cutting.reading.unindexed.landmarks import Landmarks, Layout

_BEFORE = REACH + 2
"""Seconds before the range: the keyframe lies there, or it is too far."""
_AFTER = Fraction(10)
_HEAD_BYTES = 8 << 20
"""Read to find out what the recording holds."""


@dataclass(frozen=True)
class Cutout:
    """What can be read of a recording."""

    begins_late: bool = False
    """Whether it goes on before that."""
    ends_early: bool = False
    """Whether it goes on behind that."""


class Indexless:
    """A recording without an index, in which places are found by bisection."""

    def __init__(self, source: SourceFile, layout: Layout) -> None:
        self._source = source
        self._layout = layout

    @contextmanager
    def around(
        self, start: Fraction, stop: Fraction, *, from_start: bool = False
    ) -> Iterator[tuple[av.container.InputContainer, Cutout]]:
        """The recording as if it held only what lies near the range, at unchanged times; `from_start`: and
        all that lies before."""
        head = self._layout.header_end
        with self._read() as file:
            landmarks = Landmarks(file, self._layout)
            begin = head if from_start else landmarks.before(start - _BEFORE)
            end = landmarks.after(stop + _AFTER)
        with self._open(begin, end) as container:
            yield container, Cutout(begins_late=begin > head, ends_early=end < self._layout.size)

    def describe(self, also: Callable[[av.container.InputContainer, MediaInfo], None]) -> MediaInfo:
        """What it holds; `also` gets its beginning as it is open for that. Raises as `probe.describe`."""
        head = self._layout.header_end
        with self._open(head, min(self._layout.size, head + _HEAD_BYTES)) as container:
            info = describe(container, self._source)
            also(container, info)
        with self._read() as file:
            last = Landmarks(file, self._layout).last()
        with self._open(last, self._layout.size) as container:
            end = _end(container)
        return info if end is None else replace(info, duration=end - info.zero)

    @contextmanager
    def _read(self) -> Iterator[BinaryIO]:
        with reading(self._source.name, OSError), self._source.path.open("rb") as file:
            yield file

    @contextmanager
    def _open(self, begin: int, end: int) -> Iterator[av.container.InputContainer]:
        with self._read() as file:
            stored = pieces(file.fileno(), begin, end)
        spliced = url_of(self._source, [(0, self._layout.header_end), *stored])
        with reading(self._source.name), bounded(av.open(spliced, **OPENING)) as container:
            yield container


def indexless(source: SourceFile) -> Indexless | None:
    """The recording, if it is of a kind that is searched faster than libavformat does. Raises `OSError`."""
    with source.path.open("rb") as file:
        layout = _layout(file)
    return None if layout is None else Indexless(source, layout)


def _layout(file: BinaryIO) -> Layout | None:
    size = data_end(file.fileno(), file.seek(0, 2))
    matroska = clusters(file, size)
    if matroska is not None:
        return None if matroska.indexed else matroska
    fragmented = fragments(file, size)
    return None if fragmented is None or fragmented.listed else fragmented


def _end(container: av.container.InputContainer) -> Fraction | None:
    ends = [
        (packet.pts + (packet.duration or 0)) * packet.time_base
        for packet in container.demux()
        if packet.pts is not None and packet.size
    ]
    return max(ends, default=None)
