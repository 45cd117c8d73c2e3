"""`clipping-agent cut`: its options, its report, and its errors."""

from __future__ import annotations

import argparse
import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import pytest

from agent.cli import main
from agent.commands.cut_run import requested
from agent.cutting import find_ffmpeg
from tests.agent.cutting.effects.moving import Scene, video
from tests.support.held import hold_cut
from tests.support.media import make, numbers
from tests.support.waiting import eventually


def cut(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "agent.cli", "cut", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=100, check=False, env={**os.environ}
    )


@pytest.mark.parametrize(("mode", "tried"), [("copy", False), ("encode", True)])
def test_encoders_are_tried_for_an_encode_only(tmp_path: Path, mode: str, tried: bool) -> None:
    calls, program = tmp_path / "calls", tmp_path / "ffmpeg"
    program.write_text(f'#!/bin/sh\necho "$@" >> {calls}\nexec {find_ffmpeg(None)} "$@"\n')
    program.chmod(0o755)
    calls.touch()
    target = str(tmp_path / "clip.mp4")
    done = cut(str(make()), "1", "2", "-o", target, "--mode", mode, "--ffmpeg", str(program))
    assert done.returncode == 0, done.stderr
    assert ("testsrc2" in calls.read_text()) is tried


def test_a_shape_is_cut_and_reported_as_json(tmp_path: Path) -> None:
    target = tmp_path / "short.mov"
    options = ["--aspect", "9:16", "--fit", "letterbox", "--width", "180", "--fps", "12.5"]
    done = cut(str(make()), "1", "2", "-o", str(target), *options, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["mode"], report["encoder"], report["frames"]) == ("encode", "libx264", 12)
    assert report["video"] == {"codec": "h264", "width": 180, "height": 320, "fps": 12.5}
    with av.open(str(target)) as clip:
        assert clip.metadata["major_brand"] == "qt  ", "an encode is what its name says"
    assert [path.name for path in tmp_path.iterdir()] == ["short.mov"]


def test_a_plan_is_printed_and_nothing_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["cut", str(make()), "3.2", "7", "--mode", "smart", "--plan", "-o", "clip.mp4"]) == 0
    assert capfd.readouterr().out.splitlines()[:2] == [
        "smart: 3.800 s, 95 frames, 20 of them re-encoded by libx264",
        "from 0:00:03.200 to 0:00:07.000",
    ]
    assert main(["cut", str(make()), "3.2", "7", "--plan", "--json"]) == 0
    plan = json.loads(capfd.readouterr().out)
    assert (plan["in"], plan["mode"], plan["keyframe_lead_seconds"]) == (2.0, "copy", 1.2)
    assert list(tmp_path.iterdir()) == []
    assert main(["cut", str(make()), "20", "27", "--plan"]) == 1
    assert "only 0:00:12" in capfd.readouterr().err
    assert main(["cut", str(make()), "3.2", "7"]) == 2
    assert "-o is required" in capfd.readouterr().err


def test_a_copy_is_the_default_and_its_container_is_reported(tmp_path: Path) -> None:
    target = tmp_path / "clip.mkv"
    done = cut(str(make()), "3.3", "5", "-o", str(target))
    assert done.returncode == 0, done.stderr
    assert "0:00:02" in done.stdout, "the keyframe it begins at"
    assert "a .mp4 file, although its name ends otherwise" in done.stdout
    assert numbers(target)[0] == 50


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    recording = tmp_path / "g.mp4"
    shutil.copy(make(), recording)
    return recording


@pytest.mark.parametrize("name", ["the same path", "another spelling", "a symlink", "a hard link"])
@pytest.mark.parametrize("force", [(), ("--force",)], ids=["plain", "force"])
def test_the_recording_is_never_replaced(
    recording: Path, name: str, force: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    before, other = recording.read_bytes(), recording.with_name("other.mp4")
    match name:
        case "the same path":
            other = recording
        case "another spelling":
            other = recording.parent / ".." / recording.parent.name / "g.mp4"
        case "a symlink":
            other.symlink_to("g.mp4")
        case "a hard link":
            os.link(recording, other)
    names = sorted(recording.parent.iterdir())
    assert main(["cut", str(recording), "1", "2", "-o", str(other), *force]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert "is the recording itself" in said
    assert recording.read_bytes() == before
    assert sorted(recording.parent.iterdir()) == names


def test_an_output_that_exists_is_replaced_only_when_that_is_said(recording: Path) -> None:
    target = recording.with_name("clip.mp4")
    target.write_text("precious")
    done = cut(str(recording), "1", "2", "-o", str(target))
    assert (done.returncode, target.read_text()) == (2, "precious")
    assert "--force" in done.stderr
    assert cut(str(recording), "1", "2", "-o", str(target), "--force").returncode == 0
    assert numbers(target)
    assert sorted(path.name for path in recording.parent.iterdir()) == ["clip.mp4", "g.mp4"]


@pytest.mark.parametrize("kind", ["folder", "fifo", "broken symlink", "device"])
def test_what_is_no_file_is_not_replaced_even_by_force(
    recording: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    target = recording.with_name("clip.mp4")
    match kind:
        case "folder":
            target.mkdir()
        case "fifo":
            os.mkfifo(target)
        case "broken symlink":
            target.symlink_to("nowhere")
        case "device":
            target = Path("/dev/null")
    mode = target.lstat().st_mode
    assert main(["cut", str(recording), "1", "2", "-o", str(target), "--force"]) == 2
    assert target.lstat().st_mode == mode
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_an_output_that_appears_during_the_cut_is_kept(recording: Path, tmp_path: Path) -> None:
    target = recording.with_name("clip.mp4")
    command = [sys.executable, "-m", "agent.cli", "cut", str(recording), "0", "12", "-o", str(target)]
    with subprocess.Popen([*command, "--mode", "encode"], stderr=subprocess.PIPE, text=True) as process:
        eventually(lambda: list(tmp_path.glob(".clipping-*")), "the cut's folder")
        held = hold_cut(process.pid, next(tmp_path.glob(".clipping-*")))
        assert not target.exists(), "nothing partial"
        target.write_text("precious")
        held.release()
        assert process.stderr is not None
        said = process.stderr.read()
    assert (process.returncode, target.read_text()) == (1, "precious")
    assert "was created meanwhile" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", "g.mp4"]


def test_where_there_are_no_hard_links_it_is_placed_all_the_same(
    recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", no_links)
    target = recording.with_name("clip.mp4")
    assert main(["cut", str(recording), "1", "2", "-o", str(target)]) == 0
    assert numbers(target)
    assert sorted(path.name for path in recording.parent.iterdir()) == ["clip.mp4", "g.mp4"]


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["copy", "smart", "encode"])
def test_names_that_are_not_utf_8(tmp_path: Path, mode: str) -> None:
    folder = tmp_path / os.fsdecode(b"spiele \xfc")
    folder.mkdir()
    source, target = folder / os.fsdecode(b"erste h\xe4lfte.mp4"), folder / os.fsdecode(b"tor \xff.mp4")
    source.write_bytes(make().read_bytes())
    command = [sys.executable, "-m", "agent.cli", "cut", source, "1", "2", "-o", target, "--mode", mode]
    done = subprocess.run(command, capture_output=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(os.fsencode(target))
    assert target.exists()
    source.write_bytes(b"no recording" * 1000)
    target.unlink()
    done = subprocess.run(command, capture_output=True, timeout=100, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(b"SOURCE_CORRUPT: erste h")
    assert os.listdir(os.fsencode(folder)) == [os.fsencode(source.name)]


WRONG: list[tuple[list[str], str]] = [
    (["--width", "641"], "--width: width must be an even number"),
    (["--fps", "0"], "--fps: fps must be from 1 to 120"),
    (["--max-bytes", "5"], "--max-bytes: max_bytes must be at least"),
    (["--fit", "blur"], "--fit needs an aspect"),
    (["--mode", "copy", "--aspect", "9:16"], "--mode must be encode"),
    (["--mode", "smart", "--fps", "25"], "with --fps"),
    (["--mode", "encode", "--codec", "copy"], "--codec must not be copy"),
    (["--codec", "copy", "--max-bytes", "1000000"], "--codec must not be copy with max_bytes"),
    (["--aspect", "9:16", "--width", "640", "--height", "480"], "--height and width are not 9:16"),
    (["--effects", "/nowhere.json"], "--effects /nowhere.json can't be read: No such file"),
]


@pytest.mark.parametrize(("options", "words"), WRONG, ids=[" ".join(row[0]) for row in WRONG])
def test_wrong_options_are_a_matter_of_usage(
    options: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cut", str(make()), "1", "2", "-o", str(tmp_path / "clip.mp4"), *options]) == 2
    assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


CROP = {"time": 0, "x": 0, "y": 0, "width": 90, "height": 160}
WRONG_EFFECTS: list[tuple[str, list[str], str]] = [
    ("{", [], "is not valid JSON: Expecting property name"),
    ("[]", [], "must be a JSON object"),
    ('{"title": {}, "title": {}}', [], "title is given twice"),
    ("\xff", [], "is not valid JSON"),
    ('{"title": {"name": "a", "rating": 6}}', [], ": effects.title.rating must be 1, 2, 3, 4 or 5"),
    (
        json.dumps({"framing": {"keyframes": [CROP, CROP, CROP, {**CROP, "width": 0}]}}),
        [],
        ": effects.framing.keyframes[3].width must be greater than 0",
    ),
    (json.dumps({"crop_keyframes": [{}]}), [], ": effects.crop_keyframes[0].x is required"),
    ('{"segments": [{"start": 0, "end": 1.5}]}', [], ": effects.segments[0].end must be at most 1,"),
    (
        '{"title": {"name": "a"}}',
        ["--mode", "copy"],
        "--mode must be encode, or left out, with effects.title",
    ),
    (
        '{"include_audio": true}',
        ["--no-audio"],
        ": effects.include_audio must not be given together with --no-audio",
    ),
    ('{"title": {"name": "a"}}', ["--codec", "copy"], "--codec must not be copy with effects.title"),
    (json.dumps({"framing": {"keyframes": [CROP]}}), ["--aspect", "1:1"], "--aspect does not give 1080x1920"),
]


@pytest.mark.parametrize(("text", "options", "words"), WRONG_EFFECTS, ids=[row[2] for row in WRONG_EFFECTS])
def test_wrong_effects_are_a_matter_of_usage(
    text: str, options: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, target = tmp_path / "effects.json", tmp_path / "clip.mp4"
    file.write_text(text, encoding="utf-8")
    arguments = ["cut", str(make()), "1", "2", "-o", str(target), "--effects", str(file), *options]
    assert main(arguments) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("usage: --")
    assert words in said
    assert not target.exists()


def test_effects_need_an_encode_and_narrow_the_clip(tmp_path: Path) -> None:
    file = tmp_path / "effects.json"
    file.write_text('{"title": {"name": "Goal"}, "trimRange": {"start": 0.4, "end": "0:01"}}')
    done = cut(str(make()), "1", "3", "-o", str(tmp_path / "a.mp4"), "--effects", str(file), "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["mode"], report["requested"]) == ("encode", {"start": 1.4, "end": 2.0})


@pytest.mark.slow
def test_the_keyframes_of_a_smart_crop_can_be_sent_back(tmp_path: Path) -> None:
    recording, file, frames = tmp_path / "run.mp4", tmp_path / "effects.json", []
    runner = Scene(lambda time: 0.2 + 0.2 * time, width=0.1, height=0.4)
    video([(runner, 3)], (320, 180), 25, recording)
    smart = ["--aspect", "9:16", "--fit", "smart_crop", "--width", "90"]
    for name, options in (("a", smart), ("b", ["--effects", str(file)])):
        done = cut(str(recording), "0", "2.5", "-o", str(tmp_path / f"{name}.mp4"), *options, "--json")
        assert done.returncode == 0, done.stderr
        file.write_text(json.dumps({"framing": json.loads(done.stdout).get("framing")}))
        with av.open(str(tmp_path / f"{name}.mp4")) as clip:
            frames.append([frame.to_ndarray().tobytes() for frame in clip.decode(video=0)])
    assert frames[0] == frames[1]


def test_a_smart_crop_and_a_framing_are_a_matter_of_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "effects.json"
    file.write_text('{"framing": {"keyframes": [{"time": 0, "x": 0, "y": 0, "width": 90, "height": 160}]}}')
    options = ["--aspect", "9:16", "--fit", "smart_crop", "--effects", str(file)]
    assert main(["cut", str(make()), "1", "2", "-o", str(tmp_path / "clip.mp4"), *options]) == 2
    assert "--fit must not be smart_crop with effects.framing" in capsys.readouterr().err


SRT = "1\n00:00:00,200 --> 00:00:00,800\nHi\n"


@pytest.mark.parametrize(
    ("options", "mode", "tracks"),
    [
        ([], "encode", 0),
        (["--captions-mode", "burn"], "encode", 0),
        (["--captions-mode", "track"], "copy", 1),
    ],
)
def test_captions_are_read_from_a_file(options: list[str], mode: str, tracks: int, tmp_path: Path) -> None:
    file, clip = tmp_path / "captions.srt", tmp_path / "a.mp4"
    file.write_bytes(b"\xef\xbb\xbf" + SRT.replace("\n", "\r\n").encode())
    done = cut(str(make()), "1", "3", "-o", str(clip), "--json", "--captions", str(file), *options)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["mode"] == mode
    with av.open(str(clip)) as container:
        assert len(container.streams.subtitles) == tracks


WRONG_CAPTIONS: list[tuple[str, bytes | None, list[str], str]] = [
    ("a.srt", None, [], "--captions {} can't be read: No such file or directory"),
    ("a.txt", SRT.encode(), [], "--captions {} must be a file that is called .srt or .vtt"),
    ("a.srt", SRT.encode() + b"\xff", [], "--captions {} is not UTF-8 at byte 35: convert it"),
    ("a.srt", b"x" * 256_001, [], "--captions {} must be at most 256000 bytes long"),
    ("a.srt", b"1\n0:01 --> 0:02\nHi", [], "--captions {} line 2: must be the times of a caption, such as"),
    ("a.vtt", SRT.encode(), [], "--captions {} line 1: must be WEBVTT"),
    ("a.srt", SRT.encode(), ["--mode", "copy"], "--mode must be encode, or left out, with effects.captions"),
    (
        "a.srt",
        SRT.encode(),
        ["--effects", "effects.json"],
        "--captions must not be given with --effects that have captions",
    ),
]


@pytest.mark.parametrize(("name", "data", "options", "words"), WRONG_CAPTIONS)
def test_wrong_captions_are_a_matter_of_usage(
    name: str,
    data: bytes | None,
    options: list[str],
    words: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file, effects = tmp_path / name, tmp_path / "effects.json"
    effects.write_text(json.dumps({"captions": {"format": "srt", "text": SRT}}))
    if data is not None:
        file.write_bytes(data)
    options = [str(effects) if option == "effects.json" else option for option in options]
    target = ["-o", str(tmp_path / "clip.mp4")]
    assert main(["cut", str(make()), "1", "2", *target, "--captions", str(file), *options]) == 2
    assert capsys.readouterr().err.startswith(f"usage: {words.format(file)}")


def test_a_mode_of_captions_needs_captions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = str(tmp_path / "clip.mp4")
    assert main(["cut", str(make()), "1", "2", "-o", target, "--captions-mode", "track"]) == 2
    assert capsys.readouterr().err == "usage: --captions-mode must be given with --captions\n"


@pytest.mark.parametrize("options", [["--no-audio"], ["--effects"]])
def test_audio_can_be_left_out(options: list[str], tmp_path: Path) -> None:
    file = tmp_path / "effects.json"
    file.write_text('{"include_audio": false}')
    more = [*options, str(file)] if options == ["--effects"] else options
    done = cut(str(make()), "1", "3", "-o", str(tmp_path / "a.mp4"), "--json", *more)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["mode"], report["audio"], report["dropped_streams"]) == ("copy", [], [])


def test_a_negative_time_is_no_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cut", str(make()), "-0:10", "2", "-o", str(tmp_path / "clip.mp4")]) == 2
    assert "START must not be negative" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "target", "mode", "container"),
    [
        ({}, "a.mkv", "copy", None),
        ({"quality": "medium"}, "a.mkv", "encode", "mkv"),
        ({"fps": 25.0}, "a.mp4", "encode", "mp4"),
        ({"fps": 25.0}, "a.avi", "encode", None),
        ({"fps": 25.0, "container": "mov"}, "a.mp4", "encode", "mov"),
        ({"mode": "smart", "container": "mkv"}, "a.mp4", "smart", "mkv"),
        ({"quality": "medium", "codec": "copy"}, "a.mp4", "copy", None),
        ({"audio": False}, "a.mp4", "copy", None),
    ],
)
def test_mode_and_container_follow_from_the_options(
    options: dict[str, Any], target: str, mode: str, container: str | None
) -> None:
    names = ("mode", "aspect", "fit", "width", "height", "fps", "max_bytes", "codec", "container", "audio")
    arguments = {**dict.fromkeys(names), "quality": "high", **options}
    found, output = requested(argparse.Namespace(**arguments), Path(target))
    assert (found, output.container) == (mode, container)
