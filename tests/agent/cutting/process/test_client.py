"""The start of the fork server."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from agent.cutting.process.client import ForkServer
from agent.cutting.process.context import Context
from agent.cutting.process.forked import Forked
from agent.cutting.process.protocol import Done
from tests.support.imports import libraries_after
from tests.support.procs import alive
from tests.support.waiting import eventually


def brief(context: Context) -> str:
    """Ends at once."""
    return "done"


def test_a_launched_server_runs_jobs() -> None:
    server = ForkServer(preload=__name__)
    server.launch()
    launched = server._process
    try:
        server.start()
        with closing(server.run(f"{__name__}:brief")) as job:
            assert eventually(lambda: next(job.messages(1), None), "the end of the job") == Done("done")
        assert server._process is launched
    finally:
        server.close()


def run(program: str) -> list[str]:
    """The lines that a program prints. It has one thread, as a command has when it forks."""
    command = [sys.executable, "-c", program]
    # The fork changes its folder, where Python would look for the tests.
    environ = {**os.environ, "PYTHONPATH": os.getcwd()}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=100, env=environ)
    return done.stdout.splitlines()


FORKED = """
import os
from contextlib import closing
from agent.cutting.process.client import ForkServer

inherited = os.dup2(os.open("/", os.O_PATH), 500)
server = ForkServer(preload="tests.agent.cutting.process.test_client")
server.launch(fork=True)
server.start()
pid = server._process.pid
print(type(server._process).__name__)
print(os.getsid(pid) == pid, os.readlink(f"/proc/{pid}/cwd"), os.readlink(f"/proc/{pid}/fd/0"))
print(os.path.exists(f"/proc/{pid}/fd/{inherited}"))
with closing(server.run("tests.agent.cutting.process.test_client:brief")) as job:
    print(next(message for _ in range(100) for message in job.messages(1)))
process = server._process
server.close()
print(process.returncode)
"""


def test_a_forked_server_is_as_separate_as_another_program() -> None:
    assert run(FORKED) == ["Forked", "True / /dev/null", "False", "Done(value='done')", "0"]


KILLED = """
import os, signal
from agent.cutting.process.client import ForkServer

server = ForkServer(preload="agent.cutting.process.context")
server.launch(fork=True)
server.start()
os.kill(server._process.pid, signal.SIGKILL)
print(server._process.wait(60))
server.start()
print(type(server._process).__name__)
server.close()
"""


def test_a_forked_server_that_died_is_executed_again() -> None:
    assert run(KILLED) == ["-9", "Popen"]


BROKEN = """
from agent.cutting.process.client import ForkServer
from clipping.errors import EngineUnavailable

server = ForkServer(preload="no_such_module")
server.launch(fork=True)
try:
    server.start()
except EngineUnavailable as error:
    print(error.code)
"""


def test_a_forked_server_that_can_not_load_is_reported() -> None:
    assert run(BROKEN) == ["ENCODER_FAILED"]


def test_a_process_with_threads_does_not_fork() -> None:
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait, name="another")
    thread.start()
    server = ForkServer(preload="agent.cutting.process.context")
    try:
        server.launch(fork=True)
        assert not isinstance(server._process, Forked)
    finally:
        server.close()
        stop.set()
        thread.join()


def test_closing_a_server_that_loads_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "endless_library.py").write_text("import time; time.sleep(600)")
    monkeypatch.syspath_prepend(tmp_path)
    server = ForkServer(preload="endless_library")
    server.launch()
    assert server._process is not None
    pid = server._process.pid
    server.close()
    assert not alive(pid)


def test_the_server_has_one_thread() -> None:
    server = ForkServer(preload="numpy")
    server.start()
    try:
        assert server._process is not None
        assert len(list(Path(f"/proc/{server._process.pid}/task").iterdir())) == 1
    finally:
        server.close()


def test_starting_the_server_of_the_engine_needs_none_of_its_libraries() -> None:
    assert libraries_after("import agent.commands.cut") == set()


def test_the_engine_does_not_import_what_its_processes_do() -> None:
    assert libraries_after("import agent.cutting.engine") == {"av", "pydantic"}
