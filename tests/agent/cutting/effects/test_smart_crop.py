"""The window of a smart crop: it contains what moves, and moves calmly itself."""

from __future__ import annotations

from fractions import Fraction
from math import pi, sin

import numpy as np
import numpy.typing as npt
import pytest

from agent.cutting.effects.keyframes import CropPath
from agent.cutting.effects.motion import SAMPLES_A_SECOND, Sample
from agent.cutting.effects.smart_crop import MOST_KEYFRAMES, Room, centred, planned
from clipping.contract.effects import Framing
from tests.agent.cutting.effects.moving import Scene
from tests.agent.cutting.effects.test_motion import motion_of

FRAME, TARGET, RATE = (640, 360), (1080, 1920), 25
ROOM = Room.of(FRAME, TARGET)
WIDTH = ROOM.window[0]


def positions(framing: Framing, times: list[float]) -> npt.NDArray[np.float64]:
    path = CropPath(framing, Fraction(RATE))
    return np.array([path.at(time, FRAME).x for time in times])


def jitter(xs: npt.NDArray[np.float64]) -> float:
    """The standard deviation of how far the window is from the middle between the frames before and after,
    in pixels of the recording: a steady move has none."""
    return float(np.std(xs[1:-1] - (xs[:-2] + xs[2:]) / 2))


SUBJECTS = {
    "to and fro": (Scene(lambda t: 0.5 + 0.38 * sin(2 * pi * t / 8)), 16),
    "faster and faster": (Scene(lambda t: 0.08 + 0.84 * (t / 8) ** 2), 8),
    "waits and runs": (Scene(lambda t: 0.1 + 0.8 * min(max((t - 2) / 2, 0), 1)), 7),
    "walks slowly": (Scene(lambda t: 0.15 + 0.7 * t / 20), 20),
    "small": (Scene(lambda t: 0.5 + 0.38 * sin(2 * pi * t / 10), width=0.04, height=0.15), 10),
    "with a pan": (Scene(lambda t: 0.5 + 0.2 * sin(2 * pi * t / 5), lambda t: 0.1 * t), 10),
    "against pans": (
        Scene(lambda t: 0.5 + 0.38 * sin(2 * pi * t / 9), lambda t: 0.4 + 0.3 * sin(2 * pi * t / 6)),
        9,
    ),
    "a hand-held camera": (
        Scene(
            lambda t: 0.3 + 0.2 * sin(2 * pi * t / 6) + 0.01 * sin(17 * t),
            lambda t: 0.3 + 0.02 * sin(2 * pi * t * 1.1) + 0.005 * sin(31 * t),
        ),
        6,
    ),
}


@pytest.mark.parametrize("kind", SUBJECTS)
def test_the_subject_stays_inside_a_window_that_does_not_jitter(kind: str) -> None:
    scene, seconds = SUBJECTS[kind]
    motion = motion_of((scene, seconds))
    framing = planned(motion.samples, motion.cuts, ROOM, TARGET)
    times = [number / RATE for number in range(seconds * RATE)]
    xs = positions(framing, times)
    middles = np.array([scene.subject(time) for time in times]) * FRAME[0]
    half = scene.width * FRAME[0] / 2
    inside = (xs <= middles - half) & (middles + half <= xs + WIDTH)
    assert inside.mean() >= 0.95
    assert jitter(xs) < 0.5
    assert np.abs(np.diff(xs)).max() * RATE < 0.75 * FRAME[0]


def samples(course: list[float | None], scenes: list[int] | None = None) -> list[Sample]:
    """One sample for each place of the action, in widths of the frame; None: nothing moves."""
    found = []
    for number, at in enumerate(course):
        profile = np.zeros(160)
        if at is not None:
            profile[max(0, round(at * 160) - 6) : round(at * 160) + 6] = 0.3
        scene = scenes[number] if scenes else 0
        found.append(Sample(number / SAMPLES_A_SECOND, scene, profile))
    return found


@pytest.mark.parametrize("course", [[], [None] * 40])
def test_a_clip_without_action_is_cropped_at_its_centre(course: list[float | None]) -> None:
    framing = planned(samples(course), [], ROOM, TARGET)
    assert framing == centred(ROOM, TARGET)
    (key,) = framing.keyframes
    assert (key.x, key.y, key.width, key.height) == (218, 0, 202, 360)  # even, as ffmpeg crops


def test_the_window_stays_while_the_subject_moves_within_it() -> None:
    framing = planned(samples([0.7 + 0.03 * sin(number) for number in range(80)]), [], ROOM, TARGET)
    assert len(framing.keyframes) == 1
    assert framing.keyframes[0].x + WIDTH / 2 == pytest.approx(0.7 * FRAME[0], abs=25)


def test_the_window_jumps_where_the_scene_changes() -> None:
    course: list[float | None] = [0.2] * 32 + [0.8] * 32
    framing = planned(samples(course, [0] * 32 + [1] * 32), [(3.96, 4.0)], ROOM, TARGET)
    times = [number / RATE for number in range(8 * RATE)]
    xs = positions(framing, times)
    assert len(set(np.round(xs, 1))) == 2, "it stays on both sides"
    moves = np.flatnonzero(np.abs(np.diff(xs)) > 1)
    assert moves.tolist() == [99], "from the frame at 3.96 s to the one at 4 s"
    assert xs[99] + WIDTH / 2 == pytest.approx(0.2 * FRAME[0], abs=30)
    assert xs[100] + WIDTH / 2 == pytest.approx(0.8 * FRAME[0], abs=30)


def test_a_glance_elsewhere_does_not_move_the_window() -> None:
    course: list[float | None] = [0.3] * 40 + [0.75] * 4 + [0.3] * 40
    assert len(planned(samples(course), [], ROOM, TARGET).keyframes) == 1


def test_the_window_waits_where_the_action_was() -> None:
    framing = planned(samples([0.8] * 24 + [None] * 40), [], ROOM, TARGET)
    assert positions(framing, [7.9])[0] + WIDTH / 2 == pytest.approx(0.8 * FRAME[0], abs=30)


def test_a_tall_window_moves_up_and_down() -> None:
    room = Room.of((360, 640), (1920, 1080))
    assert (room.axis, room.window) == ("y", (360, 202.5))
    framing = planned(samples([0.1 + 0.8 * number / 80 for number in range(80)]), [], room, (1920, 1080))
    first, last = framing.keyframes[0], framing.keyframes[-1]
    assert (first.x, last.x) == (0, 0)
    assert first.y < 20
    assert last.y > 420


def test_the_number_of_keyframes_is_bounded() -> None:
    """Ten minutes with a new scene every second, each with a subject that runs to and fro."""
    course: list[float | None] = [0.5 + 0.4 * sin(number / 3) for number in range(600 * SAMPLES_A_SECOND)]
    scenes = [number // SAMPLES_A_SECOND for number in range(len(course))]
    cuts = [(second - 0.04, float(second)) for second in range(1, 600)]
    framing = planned(samples(course, scenes), cuts, ROOM, TARGET)
    assert 1 <= len(framing.keyframes) <= MOST_KEYFRAMES


def test_the_same_action_gives_the_same_keyframes() -> None:
    scene = SUBJECTS["with a pan"][0]
    once, again = (
        planned(motion.samples, motion.cuts, ROOM, TARGET) for motion in (motion_of((scene, 3)) for _ in "12")
    )
    assert once == again
