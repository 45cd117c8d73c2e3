"""Selects three cuts of each recording, the same in every run. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

_LONGEST = Fraction(8)
_SHORT = Fraction(3)


@dataclass(frozen=True)
class Cut:
    """The frames with `begin` <= time < `end`, in seconds of a player's timeline."""

    name: str
    begin: Fraction
    end: Fraction


def cuts(times: Sequence[Fraction], end: Fraction) -> list[Cut]:
    """The cuts of a recording with frames at `times` (sorted), the last one displayed until `end`."""
    begin = max(times[0], Fraction(0))
    length = end - begin
    somewhere = begin + length * Fraction(3713, 10000)
    inner = Cut(
        "between frames",
        _milliseconds(somewhere),
        _milliseconds(somewhere + min(_LONGEST, length * Fraction(2, 5))),
    )
    found = [inner]
    usable = [t for t in times if t >= 0]
    if len(usable) >= 4:
        first = len(usable) * 61 // 100
        until = [t for t in usable if t <= usable[first] + min(_SHORT, length / 4)]
        last = max(len(until) - 1, first + 1)
        found.append(Cut("on frames", usable[first], usable[last]))
        found.append(Cut("to the end", _milliseconds(end - min(_SHORT, length * Fraction(3, 10))), end))
    return found


def _milliseconds(at: Fraction) -> Fraction:
    return Fraction(round(at * 1000), 1000)
