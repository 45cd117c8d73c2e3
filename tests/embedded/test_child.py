"""A process of the stack: its readiness, its restarts and its stop."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from embedded.child import Child, StartFailed
from embedded.starting import start_all
from tests.support.waiting import eventually

READY = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(1, flush=True)
time.sleep(600)
"""
CHATTY = "print('ready', flush=True)\nwhile True: print('x' * 1000)"
FAILS = "import sys; print('no database', file=sys.stderr); sys.exit(3)"
SILENT = "import time; time.sleep(600)"
LIBRARY = "import os, pathlib; (pathlib.Path(__file__).parent / f'loaded-{os.getpid()}').touch()"
LOADED = "import sys, time; print('library' in sys.modules, flush=True); time.sleep(600)"
BROKEN_LIBRARY = "raise SystemExit('no such library')"

Make = Callable[..., Child]


@pytest.fixture
def messages() -> list[str]:
    return []


@pytest.fixture
def make(tmp_path: Path, messages: list[str]) -> Iterator[Make]:
    made: list[Child] = []

    def make(program: str, library: str = "") -> Child:
        (tmp_path / "program.py").write_text(program)
        (tmp_path / "library.py").write_text(library)
        child = Child(
            "worker",
            "program",
            [],
            libraries="library" if library else "",
            environ={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), os.getcwd()])},
            log_file=tmp_path / "worker.log",
            notify=messages.append,
        )
        made.append(child)
        return child

    yield make
    for child in made:
        child.stop(5)


def start(child: Child, timeout: float = 60) -> bytes:
    return start_all([child], timeout=timeout, notify=print)[child.name]


def test_its_first_line_signals_readiness(make: Make) -> None:
    child = make(READY)
    assert int(start(child)) == child.pid


def test_a_loaded_child_runs_its_program_once_it_is_spawned(make: Make, tmp_path: Path) -> None:
    child = make(LOADED, LIBRARY)
    child.load()
    pid = child.pid
    eventually((tmp_path / f"loaded-{pid}").exists, "its library to be imported")
    assert select.select([child], [], [], 0)[0] == [], "it waits"
    assert start(child) == b"True\n"
    assert child.pid == pid


def test_a_restarted_child_does_not_wait(make: Make, tmp_path: Path) -> None:
    child = make(f"{LIBRARY.replace('loaded', 'ran')}\n{READY}", LIBRARY)
    child.load()
    start(child)
    first = child.pid
    os.kill(first, signal.SIGKILL)
    eventually(lambda: child.pid != first and (tmp_path / f"ran-{child.pid}").exists(), "its program to run")


def test_a_loaded_child_that_is_not_needed_is_stopped(make: Make) -> None:
    child = make(READY, LIBRARY)
    child.load()
    child.stop(30)
    assert not _alive(child.pid)


def test_a_child_whose_library_is_broken_is_reported(make: Make) -> None:
    child = make(READY, BROKEN_LIBRARY)
    child.load()
    with pytest.raises(StartFailed, match=r"^worker exited with code 1: no such library "):
        start(child)


def test_a_child_that_fails_to_start_is_reported_with_its_last_log_line(make: Make) -> None:
    with pytest.raises(StartFailed, match=r"^worker exited with code 3: no database \(log: .*worker.log\)$"):
        start(make(FAILS))


def test_a_child_that_is_never_ready_is_stopped(make: Make) -> None:
    child = make(SILENT)
    with pytest.raises(StartFailed, match="not ready within"):
        start(child, timeout=1)
    child.stop(5)
    assert not _alive(child.pid)


def test_a_killed_child_is_restarted(make: Make, messages: list[str]) -> None:
    child = make(READY)
    start(child)
    first = child.pid
    os.kill(first, signal.SIGKILL)
    eventually(lambda: child.pid != first, "a new process")
    assert "was killed by SIGKILL" in messages[0]
    child.stop(10)
    eventually(lambda: not _alive(child.pid), "its exit")
    assert len(messages) == 1  # a stop is not reported


def test_a_child_that_ignores_sigterm_is_killed(make: Make) -> None:
    child = make(STUBBORN)
    start(child)
    child.stop(0.5)
    assert not _alive(child.pid)


def test_a_chatty_child_is_not_blocked_by_its_pipe(make: Make) -> None:
    child = make(CHATTY)
    start(child)

    def written() -> int:
        return int(Path(f"/proc/{child.pid}/io").read_text().split("wchar: ")[1].split()[0])

    eventually(lambda: written() > 1_000_000, "a megabyte to be written")


def test_children_are_killed_with_their_stack(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(STUBBORN)  # for example an agent that drains for minutes
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), os.getcwd()])},
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert _alive(child)
    parent.kill()
    parent.communicate()
    eventually(lambda: not _alive(child), "the child to exit with its parent")


PARENT = """
import os, sys, time
from pathlib import Path
from embedded.child import Child
from embedded.starting import start_all
log = Path(sys.argv[1]) / "worker.log"
child = Child("worker", "program", [], environ=os.environ, log_file=log, notify=print)
start_all([child], timeout=60, notify=lambda line: None)
print(child.pid, flush=True)
time.sleep(600)
"""


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
