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

from clipping.holders import of_file, of_port
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
    """A running program that ends with its standard input, and the words of its first line."""
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
    """A thread that waits; what it said and what came of it."""

    def __init__(self, wait: Callable[[Patience], object], **over: float) -> None:
        self.told: list[str] = []
        self.results: list[object] = []
        patience = replace(Patience(self.told.append, seconds=60), **over)

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


def test_a_lock_is_taken_when_its_holder_is_gone(tmp_path: Path) -> None:
    with process(HOLD_LOCK, str(tmp_path / "lock")) as (holder, _):
        waiting = Waiting(lambda patience: lock_file(tmp_path / "lock", "the folder", patience))
        eventually(lambda: waiting.told, "the word that it waits")
        holder.kill()
        assert isinstance(waiting.result(), int)
    (said,) = waiting.told
    assert said.startswith(f"the folder is in use by process {holder.pid} (")
    assert "waiting up to 60 s" in said


def test_a_lock_that_is_not_given_back_names_its_holder(tmp_path: Path) -> None:
    with process(HOLD_LOCK, str(tmp_path / "lock")) as (holder, _):
        error = Waiting(lambda patience: lock_file(tmp_path / "lock", "it", patience), seconds=0.2).result()
    assert isinstance(error, StillInUse)
    assert f"process {holder.pid} (" in error.holders


def test_a_lock_lasts_as_long_as_the_last_process_that_inherited_it(tmp_path: Path) -> None:
    with process(LEAVE_LOCK, str(tmp_path / "lock")) as (parent, (_, child)):
        parent.wait(60)
        waiting = Waiting(lambda patience: lock_file(tmp_path / "lock", "it", patience))
        eventually(lambda: waiting.told, "the word that it waits")
        assert f"process {child} (" in waiting.told[0]
        assert parent.stdin is not None
        parent.stdin.close()  # the child reads it
        assert isinstance(waiting.result(), int)


def test_a_wait_ends_with_a_signal(tmp_path: Path) -> None:
    with process(HOLD_LOCK, str(tmp_path / "lock")):
        patience = Patience(lambda sentence: None, seconds=60, stopped=lambda: True)
        with pytest.raises(Stopped) as stopped:
            lock_file(tmp_path / "lock", "it", patience)
    assert stopped.value.code == 0


def test_a_port_is_waited_for(tmp_path: Path) -> None:
    with process(HOLD_PORT) as (holder, (port,)):
        assert [one.pid for one in of_port(int(port))] == [holder.pid]
        error = Waiting(lambda patience: wait_for_port("127.0.0.1", int(port), patience), seconds=0).result()
        assert isinstance(error, StillInUse)
        assert f"port {port} is in use by process {holder.pid} (" in error.message
        waiting = Waiting(lambda patience: wait_for_port("127.0.0.1", int(port), patience))
        eventually(lambda: waiting.told, "the word that it waits")
        holder.kill()
        assert waiting.result() is None


def test_what_is_free_is_not_waited_for(tmp_path: Path) -> None:
    waiting = Waiting(lambda patience: lock_file(tmp_path / "lock", "it", patience))
    assert isinstance(waiting.result(), int)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert Waiting(lambda patience: wait_for_port("127.0.0.1", port, patience)).result() is None
    assert waiting.told == []
    assert of_file(tmp_path / "lock") == []  # this process does not name itself
    # Another error than that it is in use is the server's own to report.
    assert Waiting(lambda patience: wait_for_port("192.0.2.1", 1, patience)).result() is None
