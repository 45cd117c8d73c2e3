"""`clipping-agent cut`: its options, its report, and what it says of wrong ones."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import pytest

from agent.cli import main
from agent.cut_command import wishes
from tests.support.media import make, numbers


def cut(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "agent.cli", "cut", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=100, check=False, env={**os.environ}
    )


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


def test_a_copy_is_the_default_and_its_container_is_told(tmp_path: Path) -> None:
    target = tmp_path / "clip.mkv"
    done = cut(str(make()), "3.3", "5", "-o", str(target))
    assert done.returncode == 0, done.stderr
    assert "0:00:02" in done.stdout, "the keyframe it begins at"
    assert "a .mp4 file, whatever its name says" in done.stdout
    assert numbers(target)[0] == 50


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
]


@pytest.mark.parametrize(("options", "words"), WRONG, ids=[" ".join(row[0]) for row in WRONG])
def test_wrong_options_are_a_matter_of_usage(
    options: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cut", str(make()), "1", "2", "-o", str(tmp_path / "clip.mp4"), *options]) == 2
    assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


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
    ],
)
def test_mode_and_container_follow_from_the_options(
    options: dict[str, Any], target: str, mode: str, container: str | None
) -> None:
    names = ("mode", "aspect", "fit", "width", "height", "fps", "max_bytes", "codec", "container")
    arguments = {**dict.fromkeys(names), "quality": "high", **options}
    found, output = wishes(argparse.Namespace(**arguments), Path(target))
    assert (found, output.container) == (mode, container)
