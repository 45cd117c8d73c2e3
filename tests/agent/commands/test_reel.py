"""`clipping-agent reel`: its request, its report, and its errors."""

from __future__ import annotations

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
from tests.support.media import Recording, make, numbers

RATE = 25


def reel(*arguments: str, stdin: str = "", cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "agent.cli", "reel", *arguments]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        input=stdin,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )


@pytest.fixture
def request_file(tmp_path: Path) -> Path:
    """A request for two parts of recordings in a folder beside it, which the file names by relative paths."""
    (tmp_path / "nas").mkdir()
    shutil.copy(make(), tmp_path / "nas" / "a.mp4")
    shutil.copy(make(Recording(extension="mkv")), tmp_path / "nas" / "b.mkv")
    file = tmp_path / "nas" / "reel.json"
    file.write_text(json.dumps(body()))
    return file


def body(**fields: Any) -> dict[str, Any]:
    return {
        "clips": [
            {"nas_video_path": "a.mp4", "start_seconds": 1, "end_seconds": 3, "title": "Goal"},
            {"nas_video_path": "./b.mkv", "start_seconds": 6, "end_seconds": 7},
        ],
        **fields,
    }


def test_a_reel_with_its_table_is_placed_and_reported(request_file: Path, tmp_path: Path) -> None:
    target, table = tmp_path / "reel.mp4", tmp_path / "reel.tsv"
    done = reel(str(request_file), "-o", str(target), "--tsv", str(table), "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert [part["index"] for part in report["parts"]] == [0, 1]
    assert numbers(target) == [*range(RATE, 3 * RATE), *range(6 * RATE, 7 * RATE)]
    with av.open(str(target)) as container:
        assert [one["metadata"]["title"] for one in container.chapters()] == ["Goal", "Part 2"]
    assert [line.split("\t")[2] for line in table.read_text().splitlines()] == ["name", "Goal", "Part 2"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["nas", "reel.mp4", "reel.tsv"]


def test_a_request_from_stdin_has_paths_relative_to_the_working_folder(
    request_file: Path, tmp_path: Path
) -> None:
    target = tmp_path / "reel.mov"
    text = json.dumps(body(mode="encode"))
    done = reel("-", "-o", str(target), stdin=text, cwd=request_file.parent)
    assert done.returncode == 0, done.stderr
    assert "part 2 at 0:00:02" in done.stdout
    with av.open(str(target)) as container:
        assert container.metadata["major_brand"] == "qt  ", "an encode is what its name says"


def test_a_part_that_fails_is_named_and_nothing_is_placed(request_file: Path, tmp_path: Path) -> None:
    (request_file.parent / "b.mkv").unlink()
    done = reel(str(request_file), "-o", str(tmp_path / "reel.mp4"), "--tsv", str(tmp_path / "t.tsv"))
    assert done.returncode == 1
    assert done.stderr.startswith("SOURCE_NOT_FOUND: clips[1]: ")
    assert [path.name for path in tmp_path.iterdir()] == ["nas"]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"clips": []}, "clips must be a list of 1 to 50 parts"),
    ({"clips": [{"nas_video_path": "a.mp4", "start_seconds": 2, "end_seconds": 1}]}, "clips[0].end_seconds"),
    ({"clips": [{"start_seconds": 2, "end_seconds": 3}]}, "clips[0].nas_video_path is required"),
    ({"transition": {"type": "wipe"}}, "transition.type"),
    ({"mode": "copy", "transition": {"type": "fade"}}, "mode must be smart or encode"),
]


@pytest.mark.parametrize(("fields", "words"), WRONG, ids=[row[1] for row in WRONG])
def test_a_wrong_request_is_a_matter_of_usage(
    request_file: Path, fields: dict[str, Any], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    request_file.write_text(json.dumps(body(**fields)))
    target = request_file.with_name("reel.mp4")
    assert main(["reel", str(request_file), "-o", str(target)]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(f"usage: {request_file}: ")
    assert words in said
    assert not target.exists()


@pytest.mark.parametrize("option", ["-o", "--tsv"])
def test_a_recording_is_never_replaced(
    request_file: Path, option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    targets = {"-o": str(tmp_path / "reel.mp4"), "--tsv": str(tmp_path / "reel.tsv")}
    targets[option] = str(request_file.with_name("b.mkv"))
    before = request_file.with_name("b.mkv").read_bytes()
    arguments = [word for pair in targets.items() for word in pair]
    assert main(["reel", str(request_file), *arguments, "--force"]) == 2
    assert f"{option} {targets[option]} is the recording itself" in capsys.readouterr().err
    assert request_file.with_name("b.mkv").read_bytes() == before


def test_the_table_needs_a_file_of_its_own(
    request_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = str(tmp_path / "reel.mp4")
    assert main(["reel", str(request_file), "-o", target, "--tsv", target]) == 2
    assert "choose another one" in capsys.readouterr().err
