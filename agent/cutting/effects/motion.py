"""Where something moves in a video, apart from the camera: profiles of small frames. Pure.

Each frame is compared with the one a quarter of a second before and the one as much after it, both moved onto
it by the camera's own motion. What differs from both is where something is now: what differs from one of them
is also where it was, or will be.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from agent.cutting.effects.camera import Luma, Shift, moved, shift_between, slopes_of

Profile = npt.NDArray[np.float64]

SAMPLES_A_SECOND = 8
_APART = 2
"""Samples between two frames that are compared: what moves slower than this shows is no action."""
_CUT_ALIKE = 0.5
"""Two frames with a lower correlation are of different scenes…"""
_CUT_TIMES = 4
"""…if they also differ this many times as much as frames did before."""
_CUT_LEAST = 6
"""Codes by which they differ at least."""
_USUAL_FRAMES = 12
_NOISE_TIMES, _NOISE_LEAST = 3, 4
"""A pixel differs if it does by more than this many times the median, and by this many codes more."""
_SLOPE_SHARE, _SLOPE_LEAST = 0.6, 12
"""By how much edges may differ: they always do, as no shift fits exactly."""


@dataclass(frozen=True)
class Sample:
    """What moves in one frame."""

    time: float
    """Seconds of the clip."""
    scene: int
    """Counted from 0: at the first sample of each, the video was cut."""
    profile: Profile
    """For each column (or row) of the small frame the part of it that moves, 0 to 1."""


class Motion:
    """Finds where something moves, frame by frame. `cuts` has the times between which scenes change."""

    def __init__(self, axis: Literal["x", "y"]) -> None:
        """`axis`: along which the profiles are."""
        self._summed = 0 if axis == "x" else 1
        self.samples: list[Sample] = []
        self.cuts: list[tuple[float, float]] = []
        """Of the last frame of a scene, and of the first of the next. Seconds."""
        self._last: tuple[float, Luma] | None = None
        self._usual: deque[float] = deque(maxlen=_USUAL_FRAMES)
        self._waiting: deque[_Waiting] = deque()
        self._due = 0.0

    def add(self, time: float, luma: Luma) -> None:
        """The next frame; `time` in seconds of the clip."""
        if self._last is not None and self._is_cut(self._last[1], luma):
            self._end_scene()
            self.cuts.append((self._last[0], time))
            self._due = time
        self._last = time, luma
        if time >= self._due:
            self._due = max(self._due + 1 / SAMPLES_A_SECOND, time)
            self._sample(time, luma)

    def end(self) -> None:
        """There are no more frames."""
        self._end_scene()

    def _is_cut(self, before: Luma, luma: Luma) -> bool:
        change = float(np.abs(luma - before).mean())
        usual = max(self._usual, default=0.0)
        self._usual.append(change)
        if change < max(_CUT_LEAST, _CUT_TIMES * usual) or _alike(before, luma) > _CUT_ALIKE:
            return False
        self._usual.clear()
        return True

    def _sample(self, time: float, luma: Luma) -> None:
        new = _Waiting(time, luma)
        if len(self._waiting) == _APART:
            old = self._waiting.popleft()
            shift = shift_between(old.luma, new.luma)
            old.differs_by(new.luma, shift)
            new.differs_by(old.luma, shift.inverse)
            self._finish(old)
        self._waiting.append(new)

    def _end_scene(self) -> None:
        while self._waiting:
            self._finish(self._waiting.popleft())

    def _finish(self, sample: _Waiting) -> None:
        profile = sample.moving().mean(axis=self._summed, dtype=np.float64)
        self.samples.append(Sample(sample.time, len(self.cuts), profile))


class _Waiting:
    """A frame that is not compared with the one after it yet."""

    def __init__(self, time: float, luma: Luma) -> None:
        self.time, self.luma = time, luma
        self._least: Luma | None = None

    def differs_by(self, other: Luma, shift: Shift) -> None:
        there, inside = moved(other, shift)
        difference = there - self.luma
        if inside.any():
            difference -= np.median(difference[inside])  # the light may have changed
        difference = np.where(inside, np.abs(difference), 0).astype(np.float32)
        self._least = difference if self._least is None else np.minimum(self._least, difference)

    def moving(self) -> Luma:
        """0 to 1 for each pixel."""
        if self._least is None:
            return np.zeros_like(self.luma)
        across, down = slopes_of(self.luma)
        allowed = _SLOPE_SHARE * _largest_around(np.hypot(across, down)) + _SLOPE_LEAST
        noise = _NOISE_TIMES * float(np.median(self._least)) + _NOISE_LEAST
        return np.clip((self._least - noise) / allowed, 0, 1)


def _alike(one: Luma, other: Luma) -> float:
    """The correlation of two frames, -1 to 1, whatever their brightness."""
    one, other = one - one.mean(), other - other.mean()
    return float((one * other).sum() / np.sqrt((one * one).sum() * (other * other).sum() + 1))


def _largest_around(values: Luma) -> Luma:
    padded = np.pad(values, 1, mode="edge")
    rows = np.maximum(np.maximum(padded[:-2], padded[1:-1]), padded[2:])
    return np.maximum(np.maximum(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:])
