"""Clips with a smart crop: what their frames show, and their keyframes sent back."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from fractions import Fraction
from math import pi, sin
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest

from agent.cutting import Clip, CutSpec, Engine, Interruption, Keep, Reason, find_ffmpeg
from agent.cutting.encode.run_limits import run_limits
from agent.cutting.encode.small_frames import read_small_frames
from agent.cutting.reading.source import open_path
from clipping.contract.checkpoint import Checkpoint
from clipping.contract.effects import Effects
from clipping.contract.output import Output
from clipping.errors import Cancelled, GivenBack
from tests.agent.cutting.effects.moving import Scene, video
from tests.support.media import Recording, make

SIZE, RATE, SECONDS = (320, 180), 25, 6
RUNNER = Scene(
    lambda t: 0.5 + 0.36 * sin(2 * pi * t / 5 + 1), lambda t: 0.2 + 0.15 * sin(t), width=0.1, height=0.4
)
SMART = {"aspect": "9:16", "fit": "smart_crop", "width": 90}
Make = Callable[..., Clip]


@pytest.fixture(scope="module")
def match(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A red subject that runs to and fro while the camera pans."""
    path = tmp_path_factory.mktemp("smart") / "match.mp4"
    video([(RUNNER, SECONDS)], SIZE, RATE, path)
    return path


@pytest.fixture
def made(engine: Engine, tmp_path: Path) -> Make:
    """`made(source, start, end, effects={…}, **output)`: a clip. `options` are the engine's."""

    def run(
        source: Path,
        start: str = "0",
        end: str = "6",
        effects: dict[str, Any] | None = None,
        options: dict[str, Any] | None = None,
        **output: Any,
    ) -> Clip:
        asked = Effects.model_validate(effects or {})
        spec = CutSpec(source, Fraction(start), Fraction(end), "encode", "high", Output(**output), asked)
        return engine.cut(spec, tmp_path, **{"progress": lambda *_: None, **(options or {})})

    return run


def luma(clip: Clip) -> list[npt.NDArray[np.uint8]]:
    with av.open(str(clip.path)) as container:
        return [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]


def red_columns(clip: Clip) -> list[int]:
    """How many columns of colour the subject has in each frame."""
    found = []
    with av.open(str(clip.path)) as container:
        for frame in container.decode(video=0):
            data = frame.to_ndarray(format="yuv420p")
            red = data[frame.height + frame.height // 4 :].reshape(frame.height // 2, frame.width // 2)
            found.append(int((red.mean(axis=0) > 140).sum()))
    return found


def sent_back(clip: Clip) -> dict[str, Any]:
    """The report's framing as the `framing` of a request."""
    assert clip.report.framing is not None
    return {"framing": clip.report.framing.model_dump(mode="json")}


def test_the_subject_is_whole_in_nearly_all_frames(made: Make, match: Path) -> None:
    smart, centre = made(match, **SMART), made(match, **{**SMART, "fit": "center_crop"})
    whole = RUNNER.width * SIZE[0] * 160 / SIZE[1] / 2 - 1.5
    seen, by_chance = (np.mean(np.array(red_columns(clip)) >= whole) for clip in (smart, centre))
    assert smart.report.frames == SECONDS * RATE
    assert seen >= 0.95
    assert by_chance < 0.5
    assert centre.report.framing is None


def test_the_keyframes_sent_back_give_the_same_frames(made: Make, match: Path) -> None:
    smart = made(match, "0.5", "3", **SMART)
    again = made(match, "0.5", "3", sent_back(smart))
    assert smart.report.framing is not None
    assert len(smart.report.framing.keyframes) > 3
    assert again.report.framing is None
    for one, other in zip(luma(smart), luma(again), strict=True):
        assert np.array_equal(one, other)


def test_a_still_recording_is_cropped_at_its_centre(made: Make, tmp_path: Path) -> None:
    path = tmp_path / "still.mp4"
    video([(Scene(lambda _: 0.2), 2)], SIZE, RATE, path)
    smart, centre = made(path, end="2", **SMART), made(path, end="2", **{**SMART, "fit": "center_crop"})
    for one, other in zip(luma(smart), luma(centre), strict=True):
        assert np.array_equal(one, other)


def test_the_window_jumps_at_the_first_frame_of_a_scene(made: Make, tmp_path: Path) -> None:
    path = tmp_path / "scenes.mp4"
    sides = (0.2, 0.8, 0.25)
    scenes = [
        Scene(lambda t, at=at: at + 0.05 * sin(5 * t), width=0.1, height=0.4, seed=seed)  # type: ignore[misc]
        for seed, at in enumerate(sides, 1)
    ]
    video([(scene, 1.4) for scene in scenes], SIZE, RATE, path)
    clip = made(path, end="4.2", **SMART)
    assert min(red_columns(clip)) > 0.8 * RUNNER.width * SIZE[0] * 160 / SIZE[1] / 2


def test_a_recording_of_the_same_shape_needs_no_window(made: Make, match: Path) -> None:
    clip = made(match, end="1", aspect="16:9", fit="smart_crop", width=320)
    assert clip.report.framing is not None
    (key,) = clip.report.framing.keyframes
    assert (key.x, key.y, key.width, key.height) == (0, 0, 320, 180)


@pytest.mark.sampled(slow=2)
@pytest.mark.parametrize(
    ("effects", "output", "frames"),
    [
        ({"segments": [{"start": 1.0, "end": 2.0, "speed": 0.5}]}, {}, 100),
        ({"title": {"name": "goal", "rating": 5}}, {}, 75),
        ({}, {"max_bytes": 100_000}, 75),
        ({}, {"video_codec": "hevc"}, 75),
        ({}, {"container": "mkv", "fps": 12.5}, 38),
    ],
)
def test_it_combines_with_everything_else(
    made: Make, match: Path, effects: dict[str, Any], output: dict[str, Any], frames: int
) -> None:
    plain = made(match, end="3", **SMART)
    clip = made(match, "0", "3", effects, **SMART, **output)
    assert clip.report.framing == plain.report.framing
    assert clip.report.frames == frames
    assert (clip.report.video.width, clip.report.video.height) == (90, 160)


def test_highlights_may_be_of_the_framed_video(made: Make, match: Path) -> None:
    ellipse = {"time": 0.0, "x": 45.0, "y": 80.0, "radiusX": 10.0, "radiusY": 10.0, "opacity": 1.0}
    region = {"start_time": 0.0, "end_time": 9.0, "keyframes": [ellipse, {**ellipse, "time": 9.0}]}
    overlay = {"effect_type": "original", "regions": [region], "space": "framed"}
    clip = made(match, "0", "1", {"overlay": overlay}, **SMART)
    assert all(frame[75:85, 40:50].mean() > 200 for frame in luma(clip))


X264 = ("-c:v", "libx264", "-preset", "ultrafast")
KINDS = {
    "interlaced": Recording("ts", seconds=3, video=(*X264, "-flags", "+ilme+ildct", "-x264-params", "tff=1")),
    "variable rate": Recording(
        "mkv",
        seconds=3,
        filters="select='not(eq(mod(n\\,7)\\,3))'",
        video=(*X264, "-fps_mode", "passthrough"),
    ),
    "wide pixels": Recording(seconds=3, filters="setsar=4/3,format=yuv420p"),
    "ten bits": Recording("mkv", seconds=3, filters="format=yuv420p10le", video=X264),
    "mpeg-2": Recording("ts", seconds=3, video=("-c:v", "mpeg2video")),
}


@pytest.mark.sampled(slow=3)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_recording_can_be_followed(made: Make, kind: str) -> None:
    source = make(KINDS[kind])
    smart = made(source, "0.5", "2.5", **SMART)
    centre = made(source, "0.5", "2.5", **{**SMART, "fit": "center_crop"})
    assert smart.report.frames == centre.report.frames
    assert smart.duration == centre.duration
    again = made(source, "0.5", "2.5", sent_back(smart))
    assert all(np.array_equal(*pair) for pair in zip(luma(smart), luma(again), strict=True))


@pytest.mark.slow
def test_a_turned_recording_is_followed_as_it_is_shown(made: Make, match: Path, tmp_path: Path) -> None:
    turned = tmp_path / "turned.mp4"
    command = [find_ffmpeg(None), "-v", "error", "-display_rotation", "90", "-i", match, "-c", "copy", turned]
    subprocess.run(command, check=True)
    clip = made(turned, aspect="16:9", fit="smart_crop", width=320)
    assert clip.report.framing is not None
    assert {(key.x, key.width) for key in clip.report.framing.keyframes} == {(0, 180)}
    assert np.ptp([key.y for key in clip.report.framing.keyframes]) > 60


def keep(folder: Path) -> Keep:
    return Keep(folder / "kept", "clip-1", "spec", "nas-1", min_seconds=2, segment_seconds=1)


def test_a_resumed_clip_keeps_the_keyframes_of_the_first_attempt(
    made: Make, match: Path, tmp_path: Path
) -> None:
    whole = made(match, **SMART)
    stop = Interruption()

    def interrupt(checkpoint: Checkpoint) -> None:
        if checkpoint.segment == 2:
            stop.set(Reason.GIVEN_BACK)

    with pytest.raises(GivenBack):
        made(match, options={"keep": keep(tmp_path), "checkpoint": interrupt, "interruption": stop}, **SMART)
    file = tmp_path / "kept" / "checkpoint.json"
    assert '"framing":{' in file.read_text()
    seen: list[Checkpoint] = []
    resumed = made(match, options={"keep": keep(tmp_path), "checkpoint": seen.append}, **SMART)
    assert (seen[0].segment, seen[0].resumed_count) == (2, 1)
    assert resumed.report.framing == whole.report.framing
    differences = [
        np.abs(one.astype(int) - other).mean() for one, other in zip(luma(resumed), luma(whole), strict=True)
    ]
    assert max(differences) < 6  # a segment begins with a better frame


def test_an_analysis_ends_at_once_when_the_clip_is_cancelled(made: Make, tmp_path: Path) -> None:
    stop = Interruption()
    reached: list[float] = []

    def progress(stage: str, percent: float) -> None:
        reached.append(percent)
        if stage == "cutting":
            stop.set(Reason.CANCELLED)

    source = make(Recording(seconds=60))
    with pytest.raises(Cancelled):
        made(source, end="59", options={"progress": progress, "interruption": stop}, **SMART)
    assert max(reached) < 10
    assert list(tmp_path.iterdir()) == []


def test_an_analysis_that_finds_no_frame_leaves_the_clip_to_the_encode(match: Path, tmp_path: Path) -> None:
    found: list[float] = []
    command = [
        str(find_ffmpeg(None)),
        "-v",
        "error",
        "-i",
        str(match),
        "-vf",
        "trim=start=99",
        "-f",
        "nut",
        "-",
    ]
    with open_path(match) as source:
        read_small_frames(
            command,
            lambda time, grey: found.append(time),
            source=source,
            seconds=Fraction(6),
            limits=run_limits(6.0, from_start=False),
            progress=lambda _: None,
            started=lambda _: None,
        )
    assert found == []


def test_a_range_with_damaged_data_can_be_followed(made: Make, tmp_path: Path) -> None:
    data = bytearray(make(Recording("ts", seconds=6)).read_bytes())
    for at in range(len(data) // 2, len(data) // 2 + 20_000, 4001):
        data[at] ^= 0xFF
    path = tmp_path / "damaged.ts"
    path.write_bytes(data)
    clip = made(path, end="5", **SMART)
    assert clip.report.framing is not None
