"""README and docs/ followed to the letter: every command runs as it is written, against a real stack.

`readme_commands.py` says what is replaced in them and which are not run.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.readme_commands import INSTALLS, NOT_RUN, ROOT, Session, all_commands, check_options
from tests.support.media import Recording, make

COMMANDS = all_commands()


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """A folder that looks like a fresh checkout after `./scripts/install`."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for entry in ROOT.iterdir():
        if entry.name not in ("clipping-data", "demo-data", ".venv"):
            (folder / entry.name).symlink_to(entry)
    (folder / ".venv").symlink_to(Path(sys.prefix))
    recordings = tmp_path / "recordings"
    recordings.mkdir()
    shutil.copy(make(Recording(seconds=310)), recordings / "poker-night.mp4")
    session = Session(folder, recordings, up_arguments="--port 0")
    yield session
    session.close()


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_every_command_works_as_written(session: Session) -> None:
    if shutil.which("curl") is None:
        pytest.skip("the pages use curl, which is not installed here")
    run = [command for command in COMMANDS if command.not_run is None]
    for command in run:
        print(f"$ {command.text}\n{session.run(command)}")
    assert session.stack is not None, "README starts the service"
    assert len(run) >= 15


def test_the_skipped_commands_exist_with_their_options() -> None:
    environ = Session(ROOT, ROOT).environ
    environ["PATH"] = f"{Path(sys.prefix) / 'bin'}:{environ['PATH']}"
    for command in COMMANDS:
        if command.not_run is not None:
            assert subprocess.run(["bash", "-n", "-c", command.text], check=False).returncode == 0, command
            check_options(command, environ)


def test_the_executed_commands_need_no_other_programs() -> None:
    path = f"{Path(sys.prefix) / 'bin'}:{os.environ['PATH']}"
    for command in COMMANDS:
        program = command.text.split()[0]
        known = program in (".", "export", "curl") or shutil.which(program, path=path) is not None
        assert known or command.not_run is not None, (
            f"{command}: say in NOT_RUN why this can't be run, or correct it"
        )


def test_each_reason_not_to_run_a_command_is_needed() -> None:
    for pattern in NOT_RUN:
        assert any(re.search(pattern, command.text) for command in COMMANDS), f"nothing matches {pattern}"
    assert INSTALLS in NOT_RUN.values()


def test_no_command_has_a_gap_that_a_reader_must_guess() -> None:
    for command in COMMANDS:
        assert "…" not in command.text, command
        assert not re.search(r"\$\{?KEY\b", command.text), f"{command}: the variable is CLIPPING_KEY"
