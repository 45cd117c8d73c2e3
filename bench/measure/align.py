"""Which pictures of a recording a clip shows: by their numbers, or by their looks. Pure."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.measure.look import THUMB, Film

Matrix = NDArray[np.float32]
Floats = NDArray[np.float64]

_ALIKE = 4.0
"""Mean square of luma below which two thumbnails need no correction of brightness to be held together."""


@dataclass(frozen=True)
class Alignment:
    """The clip held against its recording."""

    shown: tuple[int | None, ...]
    """For each picture of the clip, which of the recording's it is; None when it is none of them."""
    offset: float
    """Seconds of the recording at the clip's time 0."""
    uneven: float
    """Seconds by which the worst picture is off its time."""
    sure: bool
    """False where the recording stands so still that its pictures can't be told apart."""


def by_number(source: Film, clip: Film) -> Alignment:
    """For made recordings, whose pictures carry their number."""
    index = {number: place for place, number in enumerate(source.marks) if number is not None}
    shown = tuple(None if n is None else index.get(n) for n in clip.marks)
    offsets = [
        float(source.times[place] - at)
        for place, at in zip(shown, clip.times, strict=True)
        if place is not None
    ]
    middle = float(np.median(offsets)) if offsets else 0.0
    return Alignment(shown, middle, max((abs(o - middle) for o in offsets), default=0.0), True)


def by_looks(source: Film, clip: Film, claimed: Fraction) -> Alignment:
    """For real recordings: the shift in time under which the pictures agree best.

    `claimed` is the time of the recording at which the clip is said to begin; it is believed where another
    shift does not fit clearly better.
    """
    times = np.array([float(t) for t in source.times])
    shows = np.array([float(t) for t in clip.times])
    if not len(times) or not len(shows):
        return Alignment((), 0.0, 0.0, False)
    ours = _rows(clip.marks)
    theirs = _turned(_rows(source.marks), (clip.rotation - source.rotation) % 360)
    said = float(claimed) - shows[0]
    apart = _apart(_normal(ours), _normal(theirs))
    offset, _ = _best_shift(apart, times, shows, said)
    apart = _apart(ours, _as_bright(theirs, ours, _nearest(times, shows + offset)))
    offset, sure = _best_shift(apart, times, shows, said)
    place = _nearest(times, shows + offset)
    shown = tuple(None if _another(apart[row], int(p)) else int(p) for row, p in enumerate(place))
    uneven = float(np.abs(times[place] - shows - offset).max())
    return Alignment(shown, offset, uneven, sure)


def _rows(marks: tuple[Any, ...]) -> Matrix:
    return np.stack(marks).astype(np.float32)


def _turned(rows: Matrix, degrees: int) -> Matrix:
    """Thumbnails of the coded picture, turned as an encode turns it."""
    if not degrees:
        return rows
    turned = np.rot90(rows.reshape(-1, THUMB, THUMB), -degrees // 90, axes=(1, 2))
    return np.ascontiguousarray(turned).reshape(len(rows), -1)


def _normal(rows: Matrix) -> Matrix:
    """Every thumbnail with the same brightness and contrast."""
    centred = rows - rows.mean(1, keepdims=True)
    return np.asarray(centred / (centred.std(1, keepdims=True) + 1.0) * 50, np.float32)


def _apart(ours: Matrix, theirs: Matrix) -> Matrix:
    """Mean square difference of each pair."""
    squares = (ours**2).mean(1)[:, None] + (theirs**2).mean(1)[None, :]
    return np.asarray(np.maximum(squares - 2 * (ours @ theirs.T) / ours.shape[1], 0), np.float32)


def _as_bright(theirs: Matrix, ours: Matrix, place: NDArray[np.intp]) -> Matrix:
    """The recording's thumbnails with the brightness an encode gave them (tone mapping, video range)."""
    pairs = theirs[place]
    if float(np.median(((pairs - ours) ** 2).mean(1))) < _ALIKE:
        return theirs
    level = np.clip(pairs.round(), 0, 255).astype(np.intp).ravel()
    count = np.bincount(level, minlength=256)
    known = np.flatnonzero(count)
    curve = np.bincount(level, ours.ravel(), minlength=256)[known] / count[known]
    return np.interp(theirs, known, curve).astype(np.float32)


def _best_shift(apart: Matrix, times: Floats, shows: Floats, said: float) -> tuple[float, bool]:
    """The offset with the least difference over all pictures, and whether no other comes close."""
    candidates = np.unique(np.append(times - shows[0], times - shows[-1]).round(6))
    step = float(np.median(np.diff(times))) if len(times) > 1 else 1.0
    costs = np.array([_cost(apart, times, shows + o, step) for o in candidates])
    best = int(costs.argmin())
    near = np.abs(candidates - said) < step / 2
    limit = costs[best] * 1.15 + 0.05
    sure = not bool((costs[np.abs(candidates - candidates[best]) > step / 2] < limit).any())
    if near.any() and costs[near].min() < limit:
        best = int(np.flatnonzero(near)[costs[near].argmin()])
    return float(candidates[best]), sure


def _cost(apart: Matrix, times: Floats, wanted: Floats, step: float) -> float:
    place = _nearest(times, wanted)
    cost = apart[np.arange(len(wanted)), place].astype(np.float64)
    late = np.abs(times[place] - wanted)
    # A picture where the recording has none counts as quite another one.
    return float(np.where(late > step, 5000.0, np.minimum(cost, 5000.0) + late / step).mean())


def _nearest(times: Floats, wanted: Floats) -> NDArray[np.intp]:
    right = np.clip(np.searchsorted(times, wanted), 1, max(1, len(times) - 1))
    right = np.minimum(right, len(times) - 1)
    left = np.maximum(right - 1, 0)
    return np.where(wanted - times[left] <= times[right] - wanted, left, right)


def _another(row: Matrix, place: int) -> bool:
    """Whether the picture looks clearly more like another one than like the one whose time it has."""
    return bool(row[place] > 2.5 * row.min() + 2.0)


def asked(source: Film, begin: Fraction, end: Fraction) -> range:
    """The recording's pictures with `begin` <= time < `end`; where none begins, the one that still stands."""
    first, last = bisect_left(source.times, begin), bisect_left(source.times, end)
    return range(first, last) if first < last else range(max(0, first - 1), first)
