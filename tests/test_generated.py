"""Processes of a test run share what they generate, and each gets a file of its own."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.generated import SHARED_FOLDER, generate


def command(log: Path, code: str = "open(sys.argv[-1], 'w').write('made')") -> list[str]:
    """Counts its runs in `log`."""
    return [sys.executable, "-Sc", f"import sys; open({str(log)!r}, 'a').write('run\\n'); {code}"]


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "shared"
    folder.mkdir()
    monkeypatch.setenv(SHARED_FOLDER, str(folder))
    return folder


@pytest.mark.usefixtures("shared")
def test_what_several_ask_for_at_once_is_made_once(tmp_path: Path) -> None:
    log, paths = tmp_path / "log", [tmp_path / f"{n}.txt" for n in range(4)]
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda path: generate(command(log), path), paths))
    assert log.read_text() == "run\n"
    assert {path.read_text() for path in paths} == {"made"}
    paths[0].write_text("changed")
    generate(command(log), paths[1])
    assert paths[1].read_text() == "made"


@pytest.mark.usefixtures("shared")
def test_another_command_is_another_file(tmp_path: Path) -> None:
    for content in ("one", "two"):
        generate(command(tmp_path / "log", f"open(sys.argv[-1], 'w').write({content!r})"), tmp_path / "a.txt")
        assert (tmp_path / "a.txt").read_text() == content


def test_what_failed_is_made_again(tmp_path: Path, shared: Path) -> None:
    failing = command(tmp_path / "log", "open(sys.argv[-1], 'w').write('half'); sys.exit(1)")
    for _ in range(2):
        with pytest.raises(subprocess.CalledProcessError):
            generate(failing, tmp_path / "a.txt")
    assert (tmp_path / "log").read_text() == "run\n" * 2
    assert not (tmp_path / "a.txt").exists()
    assert [path.name for path in shared.glob("*.txt") if not path.name.startswith("unfinished")] == []


def test_alone_it_is_made_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SHARED_FOLDER)
    generate(command(tmp_path / "log"), tmp_path / "a.txt")
    assert (tmp_path / "a.txt").read_text() == "made"
