"""Plans a crop window that follows the action. Pure.

The window is the largest one of its shape, so it moves along one axis. Its path is the best of all possible
ones over the whole clip: what it shows counts for it, and every move against it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import numpy as np
import numpy.typing as npt

from agent.cutting.effects.motion import SAMPLES_A_SECOND, Sample
from clipping.contract.effects import CropKeyframe, Framing

Floats = npt.NDArray[np.float64]

MOST_KEYFRAMES = 500
"""Of one clip: about 30 kB of its report."""
_MOVE = 0.8
"""Seconds of action for which the window moves by the width of the frame…"""
_JUMP = 0.2
"""…and jumps by it where the scene changes."""
_FASTEST = 0.75
"""Widths of the frame a second."""
_TO_CENTRE = 0.9
"""What half a width away from the centre costs while everything moves, in shares of the action…"""
_AT_REST = 0.01
"""…and while nothing does: the window waits where something moved or is going to."""
_FAINT = 0.0007
"""The part of the frame that moves below which the action counts for less than half."""
_LEAST = 1e-9
_REMEMBERED, _MEMORY_SECONDS = 0.5, 2.0
"""What counts of something that has stopped or is going to begin, at first and after a while."""
_STEP_SECONDS = 0.5
"""Between two keyframes while the window moves."""
_SMOOTH_SECONDS = 0.4
"""The standard deviation of the Gaussian that the path is smoothed with."""
_STILL = 0.02
"""Widths of the frame: a scene in which the window would move by less has a window that stays."""
_UNSEEN = 0.1
"""Pixels."""
_JUMP_SECONDS = 0.001
"""Between the keyframes of a jump. There are no frames between them."""


@dataclass(frozen=True)
class Room:
    """Along which axis the window of a clip can move."""

    frame: tuple[int, int]
    """Width and height of the recording's frames."""
    window: tuple[float, float]

    @classmethod
    def of(cls, frame: tuple[int, int], target: tuple[int, int]) -> Room:
        """For the largest window in `frame` that has the shape of `target`."""
        width, height = frame
        if width * target[1] > height * target[0]:
            return cls(frame, (height * target[0] / target[1], height))
        return cls(frame, (width, width * target[1] / target[0]))

    @property
    def axis(self) -> Literal["x", "y"]:
        return "x" if self.window[0] < self.frame[0] else "y"

    @property
    def along(self) -> int:
        """The side of the frame along which the window moves."""
        return self.frame[0 if self.axis == "x" else 1]

    @property
    def side(self) -> float:
        """The window's side along it."""
        return self.window[0 if self.axis == "x" else 1]

    @property
    def spare(self) -> float:
        """The furthest position of the window, in pixels."""
        return self.along - self.side


def planned(
    samples: Sequence[Sample], cuts: Sequence[tuple[float, float]], room: Room, target: tuple[int, int]
) -> Framing:
    """The framing of a clip.

    `cuts`: for each scene but the first the times of the frames before and at its begin; `target`: the
    clip's width and height.
    """
    calm = 1
    while len(keyframes := _keyframes(samples, cuts, room, calm)) > MOST_KEYFRAMES:
        calm *= 2
    if len({position for _, position in keyframes}) == 1:
        return Framing(
            keyframes=(_standing(room, keyframes[0][1]),), target_width=target[0], target_height=target[1]
        )
    across = room.axis == "x"
    return Framing(
        keyframes=tuple(
            CropKeyframe(
                time=round(max(time, 0.0), 4),
                x=position if across else 0.0,
                y=0.0 if across else position,
                width=room.window[0],
                height=room.window[1],
            )
            for time, position in keyframes
        ),
        interpolation="spline",
        target_width=target[0],
        target_height=target[1],
    )


def centred(room: Room, target: tuple[int, int]) -> Framing:
    """The framing of a clip in which nothing can be followed."""
    return Framing(
        keyframes=(_standing(room, room.spare / 2),), target_width=target[0], target_height=target[1]
    )


def _standing(room: Room, position: float) -> CropKeyframe:
    """A window that stays, on whole pixels of colour, which ffmpeg's own filters can crop."""
    width, height = (min(max(2, 2 * round(side / 2)), whole // 2 * 2) for side, whole in _sides(room))
    spare = room.along // 2 * 2 - (width if room.axis == "x" else height)
    same_middle = round(position + (spare - room.spare) / 2, 3)
    at = min(max(0.0, same_middle // 2 * 2), float(spare))
    x, y = (at, 0.0) if room.axis == "x" else (0.0, at)
    return CropKeyframe(time=0.0, x=x, y=y, width=float(width), height=float(height))


def _sides(room: Room) -> tuple[tuple[float, int], tuple[float, int]]:
    return (room.window[0], room.frame[0]), (room.window[1], room.frame[1])


def _keyframes(
    samples: Sequence[Sample], cuts: Sequence[tuple[float, float]], room: Room, calm: int
) -> list[tuple[float, float]]:
    """Times and positions; the larger `calm`, the fewer."""
    if not samples or room.spare <= 0:
        return [(0.0, room.spare / 2)]
    path = _best_path(samples, room, calm)
    found: list[tuple[float, float]] = []
    begin = 0
    for number, (_, scene) in enumerate(groupby(samples, key=lambda sample: sample.scene)):
        times = np.array([sample.time for sample in scene])
        positions = _settled(_smoothed(path[begin : begin + len(times)]), path[begin : begin + len(times)])
        begin += len(times)
        if np.ptp(positions) < _STILL * room.along:
            positions = np.full_like(positions, np.median(positions))
        points = _points(times, np.round(positions, 2), _STEP_SECONDS * calm)
        if number and points[0][1] != found[-1][1]:
            before, after = cuts[samples[begin - 1].scene - 1]
            middle = (before + after) / 2
            last = found[-1][1]
            found += [(middle - 2 * _JUMP_SECONDS, last), (middle - _JUMP_SECONDS, last)]
            first = points[0][1]
            found += [(middle, first), (middle + _JUMP_SECONDS, first)]
        found += points[1:] if number else points
    return _moving(found)


def _best_path(samples: Sequence[Sample], room: Room, calm: int) -> Floats:
    """The window's position at each sample, in pixels."""
    seen, step = _worth(samples, room)
    count = seen.shape[1]
    widest = max(1, round(_FASTEST / SAMPLES_A_SECOND * room.along / step))
    moves = np.arange(-widest, widest + 1)
    cost = np.abs(moves) * (step / room.along * _MOVE * calm * SAMPLES_A_SECOND)
    jump = np.abs(np.subtract.outer(np.arange(count), np.arange(count)))
    jump_cost = jump * (step / room.along * _JUMP * calm * SAMPLES_A_SECOND)
    came = np.zeros(seen.shape, np.int32)
    best = seen[0]
    for at in range(1, len(samples)):
        if samples[at].scene != samples[at - 1].scene:
            options = best[None, :] - jump_cost
            came[at] = options.argmax(1)
        else:
            around = np.pad(best, widest, constant_values=-np.inf)
            options = np.lib.stride_tricks.sliding_window_view(around, 2 * widest + 1) - cost
            came[at] = options.argmax(1) + np.arange(count) - widest
        best = options.max(1) + seen[at]
    path = np.empty(len(samples))
    place = int(best.argmax())
    for at in range(len(samples) - 1, -1, -1):
        path[at] = place * step
        place = int(came[at, place])
    return path


def _worth(samples: Sequence[Sample], room: Room) -> tuple[Floats, float]:
    """What a window at each position is worth for each sample, and the pixels between two positions.

    That is the share of the action that it shows, most of all in its middle, times how concentrated that is.
    Where everything moves, as leaves in the wind and all that a camera passes do, the centre is worth most.
    """
    moving = np.stack([sample.profile for sample in samples])
    bins, part = moving.shape[1], room.side / room.along
    positions = 2 * max(1, round(bins * (1 - part) / 2)) + 1  # one of them is the centre
    step = room.spare / (positions - 1)
    middles = (np.arange(positions) * step + room.side / 2) / room.along * bins
    from_middle = (np.arange(bins)[:, None] + 0.5 - middles) / (part * bins / 2)
    within = (np.abs(from_middle) < 1).astype(np.float64)
    action = moving.mean(1)
    present = action**2 / (action**2 + _FAINT**2)
    most = (moving @ within).max(1) / (np.maximum(action, _LEAST) * bins)
    certainty = np.clip((most - part) / (1 - part), 0, 1)
    outstanding = np.maximum(moving - np.median(moving, axis=1)[:, None], 0)
    shown = outstanding @ np.maximum(1 - from_middle**2, 0) / np.maximum(outstanding.sum(1), _LEAST)[:, None]
    shown *= (present * certainty)[:, None]
    centre = np.abs(np.linspace(-1, 1, positions)) * (1 - part)
    unsure = _TO_CENTRE * present * (1 - certainty) + _AT_REST
    return _remembered(shown, present, samples) - unsure[:, None] * centre, step


def _remembered(shown: Floats, present: Floats, samples: Sequence[Sample]) -> Floats:
    """With what was last and what is next to be seen, where nothing moves: it is still there."""
    times, scenes = np.array([sample.time for sample in samples]), np.array([s.scene for s in samples])
    active = np.flatnonzero(present > 0.5)
    if not len(active):
        return shown
    at = np.searchsorted(active, np.arange(len(samples)))
    options = np.stack([active[np.maximum(at - 1, 0)], active[np.minimum(at, len(active) - 1)]])
    apart = np.where(scenes[options] == scenes, np.abs(times[options] - times), np.inf)
    nearest = np.take_along_axis(options, apart.argmin(0)[None], 0)[0]
    weight: Floats = _REMEMBERED * np.exp(-apart.min(0) / _MEMORY_SECONDS) * (1 - present)
    remembered: Floats = shown[nearest] * weight[:, None]
    return shown + remembered


def _smoothed(path: Floats) -> Floats:
    reach = round(3 * _SMOOTH_SECONDS * SAMPLES_A_SECOND)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / (_SMOOTH_SECONDS * SAMPLES_A_SECOND)) ** 2)
    padded = np.pad(path, reach, mode="edge")
    return np.convolve(padded, weights / weights.sum(), mode="valid")


def _settled(smooth: Floats, path: Floats) -> Floats:
    """Exactly the path where the difference can't be seen, so that the window stays where the path does."""
    return np.where(np.abs(smooth - path) < _UNSEEN, path, smooth)


def _points(times: Floats, positions: Floats, step: float) -> list[tuple[float, float]]:
    """Keyframes of one scene, evenly apart: only then are splines smooth."""
    length = times[-1] - times[0]
    count = max(1, round(length / step))
    at = times[0] + np.arange(count + 1) * (length / count)
    values = np.round(np.interp(at, times, positions), 2)
    return [(float(time), float(value)) for time, value in zip(at, values, strict=True)]


def _moving(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Without the keyframes between which the window stays, but for those at the ends of each stay: without
    two of them, a spline would swing."""
    values = np.array([value for _, value in points])
    ends = (0, len(points) - 1)
    return [
        point
        for index, point in enumerate(points)
        if index in ends or np.ptp(values[max(0, index - 2) : index + 3]) > 0
    ]
