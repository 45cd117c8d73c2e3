"""Checks a clip's samples for damage while their bytes are copied and hashed."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from agent.cutting.formats.arrays import Ints
from agent.cutting.formats.payload import Check, may_hold_zeros
from agent.cutting.reading.damage import Damage


@dataclass(frozen=True)
class Watched:
    """The samples of one track that come from the recording."""

    stream: str
    """Its name in messages."""
    places: Ints
    """Where each begins in the clip's file."""
    sizes: Ints
    times: Ints
    """When each is shown, in ticks of the container's own time line."""
    tick: Fraction
    structure: Check | None
    """The test of what a sample consists of, where there is one."""
    whole: Check | None
    """The test that also looks for zeros."""


class Watch:
    """Gets a clip's bytes in their order. A sample is tested when all of it has been seen."""

    def __init__(self, watched: Sequence[Watched], damage: Damage) -> None:
        self._tracks = [_Track(track, damage) for track in watched if len(track.places)]

    def __call__(self, at: int, data: memoryview) -> None:
        """`data` lies at `at` in the clip's file."""
        suspicious = may_hold_zeros(data)
        for track in self._tracks:
            track.see(at, data, suspicious=suspicious)


class _Track:
    def __init__(self, watched: Watched, damage: Damage) -> None:
        order = np.argsort(watched.places, kind="stable")
        self._watched = watched
        self._damage = damage
        self._starts: list[int] = watched.places[order].tolist()
        self._ends: list[int] = (watched.places + watched.sizes)[order].tolist()
        self._times: list[int] = watched.times[order].tolist()
        self._next = 0
        self._begun = bytearray()
        """What has been seen of the sample `_next`."""

    def see(self, at: int, data: memoryview, *, suspicious: bool) -> None:
        end = at + len(data)
        complete = bisect_right(self._ends, end, self._next)
        if self._begun and complete > self._next:
            self._begun += data[: self._ends[self._next] - at]
            self._test(self._next, memoryview(self._begun), self._watched.whole)
            self._begun = bytearray()
            self._next += 1
        check = self._watched.whole if suspicious else self._watched.structure
        if check is not None:
            for sample in range(self._next, complete):
                self._test(sample, data[self._starts[sample] - at : self._ends[sample] - at], check)
        self._next = complete
        if complete < len(self._starts) and self._starts[complete] < end:
            self._begun += data[max(0, self._starts[complete] - at) :]

    def _test(self, sample: int, data: memoryview, check: Check | None) -> None:
        why = check(data) if check is not None else None
        if why is not None:
            self._damage.add(self._times[sample] * self._watched.tick, self._watched.stream, why)
