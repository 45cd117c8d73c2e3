"""The metadata of a clip. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from itertools import pairwise

from agent.cutting.formats.media import Chapter
from clipping.clock import rfc3339

CHAPTER_TICK = Fraction(1, 1000)
"""Seconds: what MP4 and MOV give chapters in."""


@dataclass(frozen=True)
class Header:
    """Of a clip whose time begins at 0."""

    recorded: datetime | None = None
    """When what the clip begins with was recorded."""
    timecode: str | None = None
    """Of its first frame."""
    chapters: tuple[Chapter, ...] = ()
    """In seconds of the clip, in order, none over another, none shorter than a tick."""

    @property
    def tags(self) -> dict[str, str]:
        """What libavformat takes as the file's metadata."""
        tags = {"creation_time": self.recorded and rfc3339(self.recorded), "timecode": self.timecode}
        return {name: value for name, value in tags.items() if value}


def chapters_within(chapters: Iterable[Chapter], start: Fraction, stop: Fraction) -> tuple[Chapter, ...]:
    """What a clip from `start` to `stop` shows of a recording's chapters, in its own time.

    Matroska's may hold others; they are put in a row, as players' menus do.
    """
    found: dict[Fraction, Chapter] = {}
    for chapter in sorted(chapters, key=lambda c: (c.start, -c.end)):
        begin = _on_tick(max(chapter.start - start, Fraction(0)))
        end = _on_tick(min(chapter.end, stop) - start)
        if begin < end:
            # Of several that have begun by then, the innermost and latest names what is shown.
            found[begin] = Chapter(begin, end, chapter.title)
    row = list(found.values())
    ends = [min(a.end, b.start) for a, b in pairwise(row)] + [c.end for c in row[-1:]]
    return tuple(Chapter(c.start, end, c.title) for c, end in zip(row, ends, strict=True))


def _on_tick(seconds: Fraction) -> Fraction:
    return round(seconds / CHAPTER_TICK) * CHAPTER_TICK
