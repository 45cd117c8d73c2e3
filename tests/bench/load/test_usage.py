"""CPU time and memory of processes, their children included."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bench.load.usage import (
    children_seconds,
    megabytes,
    processor_seconds,
    proportional_megabytes,
    reaped_seconds,
    since,
)
from tests.support.procs import descendants_of, state_of
from tests.support.waiting import eventually

BURN = "import time\nwhile time.process_time() < 0.3: pass\n"
LEAST = 0.25
"""/proc counts in hundredths of a second, rounded down."""
REAPED = (
    f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {BURN!r}])\nprint(flush=True)\ninput()"
)
RUNNING = f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {BURN + 'input()'!r}])\n"
RUNNING += "print(flush=True)\ninput()"


@contextmanager
def parent(code: str) -> Iterator[int]:
    """A process with a child that uses 0.3 s of CPU time."""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.communicate(b"\n\n")


def test_the_cpu_time_of_an_exited_child_is_its_parents() -> None:
    with parent(REAPED) as pid:
        assert children_seconds(pid) == reaped_seconds(pid) >= LEAST


def test_the_cpu_time_of_a_running_child_is_counted_once() -> None:
    with parent(RUNNING) as pid:
        eventually(lambda: children_seconds(pid) >= LEAST, "the child's CPU time")
        (child,) = descendants_of(pid)
        eventually(lambda: state_of(child) == "S", "the child to wait")
        assert children_seconds(pid) == processor_seconds(child) < 2 * LEAST
        assert reaped_seconds(pid) == 0


def test_proportional_memory_is_at_most_resident_memory() -> None:
    with parent(RUNNING) as pid:
        assert 0 < proportional_megabytes(pid) <= megabytes(pid)


def test_differences_are_by_name() -> None:
    assert since({"api": 1.0, "broker": 2.0}, {"api": 1.5, "broker": 2.0}) == pytest.approx(
        {"api": 0.5, "broker": 0.0}
    )
