"""Matches a clip's frames to its recording's, by frame number or by thumbnail. Pure."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.measure.decode import THUMB, Video

Matrix = NDArray[np.float32]
Floats = NDArray[np.float64]

_ALIKE = 4.0
"""Mean square difference of luma up to which thumbnails are compared without a brightness correction."""


@dataclass(frozen=True)
class Alignment:
    """A clip's frames matched to its recording's."""

    shown: tuple[int | None, ...]
    """For each frame of the clip, the index of the recording's frame; None when there is no match."""
    offset: float
    """The recording's time, in seconds, at the clip's time 0."""
    uneven: float
    """The largest deviation of a frame from its time, in seconds."""
    sure: bool
    """False where the recording is too static to distinguish its frames."""


def by_number(source: Video, clip: Video) -> Alignment:
    """Align generated recordings, whose frames carry their number."""
    index = {number: place for place, number in enumerate(source.marks) if number is not None}
    shown = tuple(None if n is None else index.get(n) for n in clip.marks)
    offsets = [
        float(source.times[place] - at)
        for place, at in zip(shown, clip.times, strict=True)
        if place is not None
    ]
    middle = float(np.median(offsets)) if offsets else 0.0
    return Alignment(shown, middle, max((abs(o - middle) for o in offsets), default=0.0), True)


def by_thumbnail(source: Video, clip: Video, claimed: Fraction) -> Alignment:
    """Align real recordings: find the time shift with the best match of thumbnails.

    `claimed` is the recording's time at which the clip reportedly begins. It wins unless another shift
    matches clearly better."""
    times = np.array([float(t) for t in source.times])
    shows = np.array([float(t) for t in clip.times])
    if not len(times) or not len(shows):
        return Alignment((), 0.0, 0.0, False)
    ours = _rows(clip.marks)
    theirs = _rotate(_rows(source.marks), (clip.rotation - source.rotation) % 360)
    claimed_offset = float(claimed) - shows[0]
    differences = _differences(_normalize(ours), _normalize(theirs))
    offset, _ = _best_shift(differences, times, shows, claimed_offset)
    differences = _differences(ours, _match_brightness(theirs, ours, _nearest(times, shows + offset)))
    offset, sure = _best_shift(differences, times, shows, claimed_offset)
    place = _nearest(times, shows + offset)
    shown = tuple(
        None if _shows_another_frame(differences[row], int(p)) else int(p) for row, p in enumerate(place)
    )
    uneven = float(np.abs(times[place] - shows - offset).max())
    return Alignment(shown, offset, uneven, sure)


def _rows(marks: tuple[Any, ...]) -> Matrix:
    return np.stack(marks).astype(np.float32)


def _rotate(rows: Matrix, degrees: int) -> Matrix:
    """Rotate thumbnails of coded frames, as an encode does."""
    if not degrees:
        return rows
    turned = np.rot90(rows.reshape(-1, THUMB, THUMB), -degrees // 90, axes=(1, 2))
    return np.ascontiguousarray(turned).reshape(len(rows), -1)


def _normalize(rows: Matrix) -> Matrix:
    """Give every thumbnail the same brightness and contrast."""
    centred = rows - rows.mean(1, keepdims=True)
    return np.asarray(centred / (centred.std(1, keepdims=True) + 1.0) * 50, np.float32)


def _differences(ours: Matrix, theirs: Matrix) -> Matrix:
    """The mean square difference of each pair."""
    squares = (ours**2).mean(1)[:, None] + (theirs**2).mean(1)[None, :]
    return np.asarray(np.maximum(squares - 2 * (ours @ theirs.T) / ours.shape[1], 0), np.float32)


def _match_brightness(theirs: Matrix, ours: Matrix, place: NDArray[np.intp]) -> Matrix:
    """Adjust the recording's thumbnails to the brightness of the encode (tone mapping, video range)."""
    pairs = theirs[place]
    if float(np.median(((pairs - ours) ** 2).mean(1))) < _ALIKE:
        return theirs
    level = np.clip(pairs.round(), 0, 255).astype(np.intp).ravel()
    count = np.bincount(level, minlength=256)
    known = np.flatnonzero(count)
    curve = np.bincount(level, ours.ravel(), minlength=256)[known] / count[known]
    return np.interp(theirs, known, curve).astype(np.float32)


def _best_shift(
    differences: Matrix, times: Floats, shows: Floats, claimed_offset: float
) -> tuple[float, bool]:
    """The offset with the smallest difference over all frames, and whether it is unambiguous."""
    candidates = np.unique(np.append(times - shows[0], times - shows[-1]).round(6))
    step = float(np.median(np.diff(times))) if len(times) > 1 else 1.0
    costs = np.array([_cost(differences, times, shows + o, step) for o in candidates])
    best = int(costs.argmin())
    near = np.abs(candidates - claimed_offset) < step / 2
    limit = costs[best] * 1.15 + 0.05
    sure = not bool((costs[np.abs(candidates - candidates[best]) > step / 2] < limit).any())
    if near.any() and costs[near].min() < limit:
        best = int(np.flatnonzero(near)[costs[near].argmin()])
    return float(candidates[best]), sure


def _cost(differences: Matrix, times: Floats, wanted: Floats, step: float) -> float:
    place = _nearest(times, wanted)
    cost = differences[np.arange(len(wanted)), place].astype(np.float64)
    late = np.abs(times[place] - wanted)
    # A frame at a time at which the recording has none counts as a mismatch.
    return float(np.where(late > step, 5000.0, np.minimum(cost, 5000.0) + late / step).mean())


def _nearest(times: Floats, wanted: Floats) -> NDArray[np.intp]:
    right = np.clip(np.searchsorted(times, wanted), 1, max(1, len(times) - 1))
    right = np.minimum(right, len(times) - 1)
    left = np.maximum(right - 1, 0)
    return np.where(wanted - times[left] <= times[right] - wanted, left, right)


def _shows_another_frame(row: Matrix, place: int) -> bool:
    """Whether the frame matches another frame clearly better than the one at its time."""
    return bool(row[place] > 2.5 * row.min() + 2.0)


def requested_frames(source: Video, begin: Fraction, end: Fraction) -> range:
    """The recording's frames with `begin` <= time < `end`; if there is none, the frame displayed at
    `begin`."""
    first, last = bisect_left(source.times, begin), bisect_left(source.times, end)
    return range(first, last) if first < last else range(max(0, first - 1), first)
