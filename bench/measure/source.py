"""A recording, and the truth about it: decoded without any of the engine's doing."""

from __future__ import annotations

from fractions import Fraction
from functools import cached_property
from pathlib import Path

import av

from bench.measure.look import Film, film, movie_of, number_of, thumb_of, zero_of
from bench.measure.points import Cut

LEAD = Fraction(31)
"""Seconds before a cut that a keyframe may lie."""
_AFTER = Fraction(4)
_WHOLE = Fraction(120)
"""Recordings up to so many seconds are decoded from their start; of longer ones a part."""


class Source:
    """One recording. What is costly to find out is kept."""

    def __init__(self, path: Path, *, made: bool) -> None:
        self.path = path
        self.made = made
        self.mark = number_of if made else thumb_of
        with av.open(f"file:{path}") as container:
            self.zero = zero_of(container)
            self.shift = self.zero - Fraction(container.start_time or 0, 1_000_000)
            self.sound_tracks = len(container.streams.audio)
            movie = movie_of(container)
            self.has_movie = movie is not None
            self.frame = 1 / movie.average_rate if movie and movie.average_rate else Fraction(1, 25)
        self._part: tuple[Fraction, Film] | None = None

    @cached_property
    def times(self) -> list[Fraction]:
        """Of all pictures, by their packets in long recordings."""
        if self.length_by_header() <= _WHOLE:
            return list(self.whole.times)
        with av.open(f"file:{self.path}") as container:
            stream = movie_of(container)
            shown = [p.pts for p in container.demux(stream) if p.pts is not None and not p.is_discard]
            return sorted(pts * stream.time_base - self.zero for pts in shown)

    def length_by_header(self) -> Fraction:
        """Seconds; what the file says, and no more."""
        with av.open(f"file:{self.path}") as container:
            return Fraction(container.duration or 0, 1_000_000)

    @cached_property
    def hides(self) -> bool:
        """Whether an edit list hides pictures."""
        with av.open(f"file:{self.path}") as container:
            return any(p.is_discard for p in container.demux(movie_of(container)))

    @cached_property
    def unhidden(self) -> Film:
        """Every picture, and those that a copy may begin or end with though the recording hides them."""
        return film(self.path, self.mark, zero=self.zero, unhidden=True) if self.hides else self.whole

    @cached_property
    def whole(self) -> Film:
        """Every picture."""
        return film(self.path, self.mark, zero=self.zero)

    def around(self, cut: Cut) -> Film:
        """The pictures that a clip of this cut might show."""
        if self.length_by_header() <= _WHOLE:
            return self.whole
        if self._part is None or self._part[0] != cut.begin:
            begin = max(Fraction(0), cut.begin - LEAD)
            part = film(self.path, self.mark, begin=begin, end=cut.end + _AFTER, zero=self.zero)
            self._part = (cut.begin, part)
        return self._part[1]

    @cached_property
    def bad_at(self) -> tuple[Fraction, ...]:
        """Where a strict decoder stumbles over the recording itself."""
        return film(self.path, lambda _: None, strict=True, zero=self.zero).bad_at
