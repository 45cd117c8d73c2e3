"""Where the speed of a clip changes: what is shown when. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, pairwise

from clipping.contract.effects import SpeedSegment
from clipping.timecode import exact


@dataclass(frozen=True)
class Stretch:
    """A part of the range that has one speed. Times in seconds from the start of the range."""

    start: Fraction
    end: Fraction
    speed: Fraction

    @property
    def length(self) -> Fraction:
        """Seconds of the clip that it fills."""
        return (self.end - self.start) / self.speed


@dataclass(frozen=True)
class Speed:
    """The speeds of a range, from its start to its end."""

    stretches: tuple[Stretch, ...]

    @property
    def length(self) -> Fraction:
        """Seconds of the clip."""
        return sum((each.length for each in self.stretches), Fraction(0))

    @property
    def begins(self) -> tuple[Fraction, ...]:
        """When each stretch begins in the clip, and when the last one ends. Seconds."""
        return tuple(accumulate((each.length for each in self.stretches), initial=Fraction(0)))

    def at(self, time: Fraction) -> Fraction:
        """When something is shown in the clip. `time`: seconds from the start of the range.

        What comes before the range is shown at its first speed, what comes after it at its last.
        """
        position = max(0, bisect_right([each.start for each in self.stretches], time) - 1)
        stretch = self.stretches[position]
        return self.begins[position] + (time - stretch.start) / stretch.speed

    def samples(self, rate: int) -> tuple[int, ...]:
        """How many samples of audio each stretch has in the clip. Rounding does not add up."""
        ends = [round(at * rate) for at in self.begins]
        return tuple(b - a for a, b in pairwise(ends))

    def expression(self, time: str) -> str:
        """ffmpeg's expression for `at`. `time`: that of seconds from the start of the range."""
        terms = [
            f"({_number(1 / each.speed - 1)})*clip({time}-{_number(each.start)},0,{_number(length)})"
            for each in self.stretches
            if each.speed != 1
            for length in (each.end - each.start,)
        ]
        return _sum([time, *terms])


def speed_of(segments: Sequence[SpeedSegment], length: Fraction) -> Speed | None:
    """The speeds of a range of `length` seconds; None where nothing changes.

    Between the segments the speed is 1. What lies behind the range's end is ignored.
    """
    stretches: list[Stretch] = []
    done = Fraction(0)
    for segment in sorted(segments, key=lambda each: each.start):
        start, end = max(done, exact(segment.start)), min(length, exact(segment.end))
        if start >= end:
            continue
        if start > done:
            stretches.append(Stretch(done, start, Fraction(1)))
        stretches.append(Stretch(start, end, exact(segment.speed)))
        done = end
    if done < length:
        stretches.append(Stretch(done, length, Fraction(1)))
    return Speed(tuple(stretches)) if any(each.speed != 1 for each in stretches) else None


def _sum(terms: Sequence[str]) -> str:
    # ffmpeg limits how deep an expression is: in a plain sum, each term is one deeper than the one before.
    if len(terms) == 1:
        return terms[0]
    middle = len(terms) // 2
    return f"({_sum(terms[:middle])}+{_sum(terms[middle:])})"


def _number(value: Fraction) -> str:
    # ffmpeg computes with doubles; a quotient of integers loses less than decimals do.
    return f"({value.numerator}/{value.denominator})" if value.denominator != 1 else str(value.numerator)
