"""A recording and its reference data, decoded independently of the engine."""

from __future__ import annotations

from fractions import Fraction
from functools import cached_property
from pathlib import Path

import av

from bench.measure.decode import Video, decode_video, number_of, thumb_of, video_stream_of, zero_of
from bench.measure.points import Cut

LEAD = Fraction(31)
"""The largest distance of a cut from the preceding keyframe, in seconds."""
_AFTER = Fraction(4)
_WHOLE = Fraction(120)
"""Recordings up to this many seconds are decoded completely, longer ones in part."""


class Source:
    """One recording. Expensive properties are cached."""

    def __init__(self, path: Path, *, made: bool) -> None:
        self.path = path
        self.made = made
        self.mark = number_of if made else thumb_of
        with av.open(f"file:{path}") as container:
            self.zero = zero_of(container)
            self.shift = self.zero - Fraction(container.start_time or 0, 1_000_000)
            self.audio_tracks = len(container.streams.audio)
            stream = video_stream_of(container)
            self.has_video = stream is not None
            self.frame = 1 / stream.average_rate if stream and stream.average_rate else Fraction(1, 25)
        self._part: tuple[Fraction, Video] | None = None

    @cached_property
    def times(self) -> list[Fraction]:
        """The times of all frames; in long recordings, of all packets."""
        if self.length_by_header() <= _WHOLE:
            return list(self.whole.times)
        with av.open(f"file:{self.path}") as container:
            stream = video_stream_of(container)
            shown = [p.pts for p in container.demux(stream) if p.pts is not None and not p.is_discard]
            return sorted(pts * stream.time_base - self.zero for pts in shown)

    def length_by_header(self) -> Fraction:
        """The duration in the file's header, in seconds."""
        with av.open(f"file:{self.path}") as container:
            return Fraction(container.duration or 0, 1_000_000)

    @cached_property
    def hides(self) -> bool:
        """Whether an edit list hides frames."""
        with av.open(f"file:{self.path}") as container:
            return any(p.is_discard for p in container.demux(video_stream_of(container)))

    @cached_property
    def unhidden(self) -> Video:
        """All frames, including hidden ones, which a copy may begin or end with."""
        return decode_video(self.path, self.mark, zero=self.zero, unhidden=True) if self.hides else self.whole

    @cached_property
    def whole(self) -> Video:
        """All frames that a player shows."""
        return decode_video(self.path, self.mark, zero=self.zero)

    def around(self, cut: Cut) -> Video:
        """The frames that a clip of this cut can contain."""
        if self.length_by_header() <= _WHOLE:
            return self.whole
        if self._part is None or self._part[0] != cut.begin:
            begin = max(Fraction(0), cut.begin - LEAD)
            part = decode_video(self.path, self.mark, begin=begin, end=cut.end + _AFTER, zero=self.zero)
            self._part = (cut.begin, part)
        return self._part[1]

    @cached_property
    def bad_at(self) -> tuple[Fraction, ...]:
        """The times at which a strict decoder fails on the recording."""
        return decode_video(self.path, lambda _: None, strict=True, zero=self.zero).bad_at
