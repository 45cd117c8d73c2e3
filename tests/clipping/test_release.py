"""Waiting for a process that is still exiting: by its lock, and by its port."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from clipping.processes import listening_on, with_open_file
from clipping.release import Patience, StillInUse, lock_file, wait_for_port
from clipping.signals import Stopped
from tests.support.waiting import eventually

HOLD_LOCK = """
import sys
from pathlib import Path
from clipping.release import lock_file
descriptor = lock_file(Path(sys.argv[1]), "it")
print("held", flush=True)
sys.stdin.read()
"""
LEAVE_LOCK = """
import os, subprocess, sys
from pathlib import Path
from clipping.release import lock_file
descriptor = lock_file(Path(sys.argv[1]), "it")
child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], pass_fds=[descriptor])
print("held", child.pid, flush=True)
os._exit(0)
"""
HOLD_PORT = """
import socket, sys
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
sys.stdin.read()
"""


@contextmanager
def process(program: str, *arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], list[str]]]:
    """A running program that exits at the end of its standard input, and the words of its first output
    line."""
    running = subprocess.Popen(
        [sys.executable, "-c", program, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert running.stdout is not None
    try:
        yield running, running.stdout.readline().decode().split()
    finally:
        running.kill()
        running.wait(60)
        for pipe in (running.stdin, running.stdout):
            assert pipe is not None
            pipe.close()


class Waiting:
    """A waiting thread, with its notices and results."""

    def __init__(self, wait: Callable[[Patience], object], **over: float) -> None:
        self.notices: list[str] = []
        self.results: list[object] = []
        patience = replace(Patience(self.notices.append, seconds=60), **over)

        def run() -> None:
            try:
                self.results.append(wait(patience))
            except (StillInUse, Stopped) as error:
                self.results.append(error)

        self._thread = threading.Thread(target=run, name="waiting", daemon=True)
        self._thread.start()

    def result(self) -> object:
        self._thread.join(60)
        return self.results[0]


def test_a_lock_is_acquired_when_its_owner_exits(tmp_path: Path) -> None:
    with process(HOLD_LOCK, str(tmp_path / "lock")) as (owner, _):
        waiting = Waiting(lambda patience: lock_file(tmp_path / "lock", "the folder", patience))
        eventually(lambda: waiting.notices, "the notice of the wait")
        owner.kill()
        assert isinstance(waiting.result(), int)
    (notice,) = waiting.notices
    assert notice.startswith(f"the folder is in use by process {owner.pid} (")
    assert "waiting up to 60 s" in notice


def test_an_unreleased_lock_names_its_owner(tmp_path: Path) -> None:
    with process(HOLD_LOCK, str(tmp_path / "lock")) as (owner, _):
        error = Waiting(lambda patience: lock_file(tmp_path / "lock", "it", patience), seconds=0.2).result()
    assert isinstance(error, StillInUse)
    assert f"process {owner.pid} (" in error.processes


def test_a_lock_lasts_as_long_as_the_last_process_that_inherited_it(tmp_path: Path) -> None:
    with process(LEAVE_LOCK, str(tmp_path / "lock")) as (parent, (_, child)):
        parent.wait(60)
        waiting = Waiting(lambda patience: lock_file(tmp_path / "lock", "it", patience))
        eventually(lambda: waiting.notices, "the notice of the wait")
        assert f"process {child} (" in waiting.notices[0]
        assert parent.stdin is not None
        parent.stdin.close()  # the child reads it
        assert isinstance(waiting.result(), int)


def test_a_signal_ends_the_wait(tmp_path: Path) -> None:
    with process(HOLD_LOCK, str(tmp_path / "lock")):
        patience = Patience(lambda sentence: None, seconds=60, stopped=lambda: True)
        with pytest.raises(Stopped) as stopped:
            lock_file(tmp_path / "lock", "it", patience)
    assert stopped.value.code == 0


def test_waits_for_a_port(tmp_path: Path) -> None:
    with process(HOLD_PORT) as (owner, (port,)):
        assert [one.pid for one in listening_on(int(port))] == [owner.pid]
        error = Waiting(lambda patience: wait_for_port("127.0.0.1", int(port), patience), seconds=0).result()
        assert isinstance(error, StillInUse)
        assert f"port {port} is in use by process {owner.pid} (" in error.message
        waiting = Waiting(lambda patience: wait_for_port("127.0.0.1", int(port), patience))
        eventually(lambda: waiting.notices, "the notice of the wait")
        owner.kill()
        assert waiting.result() is None


def test_a_free_resource_needs_no_wait(tmp_path: Path) -> None:
    waiting = Waiting(lambda patience: lock_file(tmp_path / "lock", "it", patience))
    assert isinstance(waiting.result(), int)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert Waiting(lambda patience: wait_for_port("127.0.0.1", port, patience)).result() is None
    assert waiting.notices == []
    assert with_open_file(tmp_path / "lock") == []  # this process does not name itself
    # Another error than that it is in use is the server's own to report.
    assert Waiting(lambda patience: wait_for_port("192.0.2.1", 1, patience)).result() is None
