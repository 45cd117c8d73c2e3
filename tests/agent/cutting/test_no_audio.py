"""A clip that is requested without audio has none, and the same frames as one with audio."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest

from agent.cutting import Clip, CutSpec, Engine, Keep
from clipping.contract.choices import ContainerName, Mode
from clipping.contract.effects import NO_EFFECTS, Effects
from clipping.contract.output import Output
from tests.support.media import Recording, make, shown_frames

SEVERAL = Recording("mkv", seconds=8, gop=25, audio=("aac", "ac3"))
SLOW = Effects.model_validate({"segments": [{"start": 0.2, "end": 0.6, "speed": 0.5}]})


def clip_of(
    engine: Engine,
    folder: Path,
    mode: Mode,
    output: Output,
    effects: Effects = NO_EFFECTS,
    recording: Recording = SEVERAL,
) -> Clip:
    folder.mkdir(exist_ok=True)
    spec = CutSpec(make(recording), Fraction("1.3"), Fraction("2.5"), mode, "medium", output, effects)
    return engine.cut(spec, folder, progress=lambda *_: None)


def streams(clip: Clip) -> list[str]:
    with av.open(str(clip.path)) as container:
        return [stream.type for stream in container.streams]


@pytest.mark.parametrize("container", ["mp4", "mov", "mkv"])
@pytest.mark.parametrize("mode", ["copy", "smart", "encode"])
@pytest.mark.parametrize("recording", [SEVERAL, Recording(gop=25)], ids=["mkv", "mp4"])
def test_it_has_video_alone(
    recording: Recording, mode: Mode, container: ContainerName, engine: Engine, tmp_path: Path
) -> None:
    silent = clip_of(
        engine, tmp_path / "a", mode, Output(audio=False, container=container), recording=recording
    )
    assert streams(silent) == ["video"]
    report = silent.report
    assert (report.mode, report.audio, report.dropped_streams, report.warnings) == (mode, [], [], [])
    audible = clip_of(engine, tmp_path / "b", mode, Output(container=container), recording=recording)
    assert "audio" in streams(audible)
    assert (report.frames, report.actual) == (audible.report.frames, audible.report.actual)
    assert shown_frames(silent.path) == shown_frames(audible.path)
    assert silent.size < audible.size


def test_it_may_change_its_speed(engine: Engine, tmp_path: Path) -> None:
    clip = clip_of(engine, tmp_path, "encode", Output(audio=False), SLOW)
    assert (streams(clip), clip.report.audio, clip.duration) == (["video"], [], 1.6)


def test_it_may_be_encoded_in_segments(engine: Engine, tmp_path: Path) -> None:
    spec = CutSpec(make(SEVERAL), Fraction(1), Fraction(6), "encode", "medium", Output(audio=False))
    keep = Keep(tmp_path / "kept", "clip-1", "spec", "nas-1", min_seconds=3, segment_seconds=2)
    clip = engine.cut(spec, tmp_path, progress=lambda *_: None, keep=keep)
    assert (streams(clip), clip.report.audio, clip.report.frames) == (["video"], [], 125)


def test_all_bytes_are_for_the_video(engine: Engine, tmp_path: Path) -> None:
    clip = clip_of(engine, tmp_path, "encode", Output(audio=False, max_bytes=150_000))
    assert streams(clip) == ["video"]
    assert clip.size <= 150_000
