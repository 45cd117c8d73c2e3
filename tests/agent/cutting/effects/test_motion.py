"""Where something moves, whatever the camera does."""

from __future__ import annotations

from itertools import pairwise
from math import cos, pi, sin

import numpy as np
import pytest

from agent.cutting.effects.camera import Shift, moved, shift_between
from agent.cutting.effects.motion import Motion
from tests.agent.cutting.effects.moving import Scene, frames, texture

SIZE = (160, 90)
RATE = 25


def motion_of(*scenes: tuple[Scene, float]) -> Motion:
    motion, begin = Motion("x"), 0.0
    for scene, seconds in scenes:
        times = [number / RATE for number in range(round(seconds * RATE))]
        for time, frame in zip(times, frames(scene, times, SIZE), strict=True):
            motion.add(begin + time, frame.astype(np.float32))
        begin += seconds
    motion.end()
    return motion


@pytest.mark.parametrize(
    "shift",
    [
        Shift(0, 0, 0, 0),
        Shift(6.3, -2.4, 0, 0),
        Shift(-15, 4, 0, 0),
        Shift(2, 1, 0.03, 0),
        Shift(3, 0, 0, 0.02),
    ],
)
def test_the_camera_s_motion_is_found_to_a_fraction_of_a_pixel(shift: Shift) -> None:
    other = texture(90, 160, seed=3).astype(np.float32)
    one, _ = moved(other, shift)
    assert shift_between(one, other) == pytest.approx(shift, abs=0.1)
    x, y = 40.0, -20.0

    def there(of: Shift, x: float, y: float) -> tuple[float, float]:
        return x + of.across + of.zoom * x - of.roll * y, y + of.down + of.zoom * y + of.roll * x

    assert there(shift.inverse, *there(shift, x, y)) == pytest.approx((x, y), abs=1e-6)


@pytest.mark.parametrize(
    "pan", [lambda time: 0.0, lambda time: 0.2 * time, lambda time: 0.3 + 0.2 * sin(3 * time)]
)
def test_what_moves_is_where_the_subject_is_and_not_what_a_pan_moves(pan: object) -> None:
    scene = Scene(lambda time: 0.5 + 0.35 * sin(time), pan)  # type: ignore[arg-type]
    samples = motion_of((scene, 6)).samples
    assert len(samples) == pytest.approx(6 * 8, abs=2)
    found = [
        float(np.argmax(np.convolve(sample.profile, np.ones(13), "same"))) / SIZE[0] for sample in samples
    ]
    errors = [abs(at - scene.subject(sample.time)) for at, sample in zip(found, samples, strict=True)]
    moving = [error for error, sample in zip(errors, samples, strict=True) if abs(cos(sample.time)) > 0.3]
    assert np.mean(np.array(moving) < 0.06) > 0.95


def test_a_still_recording_has_no_action() -> None:
    samples = motion_of((Scene(lambda _: 0.3), 3)).samples
    assert max(sample.profile.mean() for sample in samples) < 0.0005


def test_scene_changes_are_found_at_their_frames() -> None:
    scenes = [(Scene(lambda t: 0.3 + 0.2 * sin(2 * pi * t), seed=seed), 1.4) for seed in (1, 2, 3)]
    motion = motion_of(*scenes)
    assert motion.cuts == [pytest.approx((1.36, 1.4)), pytest.approx((2.76, 2.8))]
    assert [sample.scene for sample in motion.samples if sample.time in (0.0, 1.4, 2.8)] == [0, 1, 2]
    assert all(a.scene <= b.scene for a, b in pairwise(motion.samples))


def test_a_change_of_light_is_no_scene_change_and_no_action() -> None:
    motion = Motion("x")
    behind = texture(90, 160, seed=5)
    for number in range(50):
        light = 1.0 if number % 20 < 10 else 0.6
        motion.add(number / RATE, (behind * light).astype(np.float32))
    motion.end()
    assert motion.cuts == []
    assert np.median([sample.profile.mean() for sample in motion.samples]) < 0.001
