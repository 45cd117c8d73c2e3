"""Whether the service's own folders and key file can be used, on real files of other users."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.checks.access import Runner
from agent.checks.own_files import KEY_FILE, check_folder, check_key_file
from clipping.errors import ConfigurationError
from tests.support.users import as_user, give, need_root

DOCKER = Runner(1000, 1000, (), container=True)
HOST = Runner(1000, 1000, (), container=False)


def problem_of(check: Callable[[], object]) -> str:
    """The problem, for uid 1000; empty without one."""

    def work() -> str:
        try:
            check()
        except ConfigurationError as error:
            return error.message
        return ""

    return as_user(1000, [1000], work)


def folder_problem(folder: Path, who: Runner = DOCKER, key: str = "agent.state_dir") -> str:
    return problem_of(lambda: check_folder(key, folder, who=who))


def test_folders_of_the_user_are_good(shared: Path) -> None:
    state = shared / "state"
    (state / "spool").mkdir(parents=True)
    (state / "lock").touch()
    (state / ".clipping-volume").touch()
    (state / "lost+found").mkdir(mode=0o700)
    for path in (state, state / "spool", state / "lock"):
        give(path, 1000, 1000, 0o700)
    assert folder_problem(state) == ""
    assert folder_problem(state / "new" / "folder") == ""


def test_a_folder_of_another_user(shared: Path) -> None:
    state = shared / "state"
    state.mkdir()
    give(state, 1026, 100, 0o750)
    assert folder_problem(state) == (
        f"agent.state_dir: {state} can't be written to: it belongs to 1026:100 with mode 0750, "
        "and this is uid 1000, gid 1000, groups 1000; "
        'set PUID=1026 and PGID=100 in the container\'s environment (or `user: "1026:100"`) or '
        "mount a named volume or an empty folder there, which the entrypoint gives to PUID and PGID"
    )
    assert folder_problem(state, HOST).endswith(
        "; run this with `sudo`, which makes it run as the service's user"
    )
    store = folder_problem(state, key="storage.path")
    assert store.startswith(f"storage.path: {state} can't be written to")
    assert store.endswith('(or `user: "1026:100"`)')


def test_a_file_that_root_left_in_it(shared: Path) -> None:
    state = shared / "state"
    state.mkdir()
    (state / "lock").touch()
    give(state, 1000, 1000, 0o700)
    give(state / "lock", 0, 0, 0o600)
    assert folder_problem(state).startswith(
        f"agent.state_dir: {state} can't be used: {state}/lock can't be written: it belongs to 0:0"
    )


def test_a_folder_that_can_not_be_created(shared: Path) -> None:
    need_root()
    assert folder_problem(shared / "a" / "b").startswith(
        f"agent.state_dir: {shared}/a/b can't be used: {shared} can't be written to: it belongs to 0:0"
    )
    (shared / "a").mkdir(mode=0o700)
    assert folder_problem(shared / "a" / "b").startswith(
        f"agent.state_dir: {shared}/a/b can't be used: {shared}/a can't be entered: it belongs to 0:0"
    )


def test_a_read_only_file_system(shared: Path) -> None:
    need_root()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "none", shared], check=False).returncode != 0:
        pytest.skip("nothing can be mounted here")
    try:
        assert folder_problem(shared) == (
            f"agent.state_dir: {shared} is on a read-only file system: mount a volume there, without `:ro`"
        )
        assert "ReadWritePaths=" in folder_problem(shared, HOST, "storage.path")
    finally:
        subprocess.run(["umount", shared], check=True)


def test_a_key_file(shared: Path) -> None:
    key = shared / "google.json"
    key.write_text("{}")
    give(key, 0, 0, 0o600)
    assert check_key_file(KEY_FILE, str(key)) == f"{key} can be read"

    def problem(path: Path, who: Runner = DOCKER) -> str:
        return problem_of(lambda: check_key_file(KEY_FILE, str(path), who=who))

    assert problem(key) == (
        f"GOOGLE_APPLICATION_CREDENTIALS: {key} can't be read: it belongs to 0:0 with mode 0600, "
        "and this is uid 1000, gid 1000, groups 1000; "
        "let the file on the host belong to uid 1000 with mode 0400"
    )
    assert "does not exist: mount the key there" in problem(shared / "none.json")
    assert "is a folder, which Docker creates" in problem(shared)
