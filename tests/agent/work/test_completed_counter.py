"""The number of clips completed in the last 24 hours, across restarts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from agent.work.completed_counter import CompletedCounter
from clipping.clock import ManualClock

DAY = 86_400


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def counter(tmp_path: Path, clock: ManualClock) -> Iterator[CompletedCounter]:
    counter = CompletedCounter(tmp_path, clock)
    yield counter
    counter.close()


def size(folder: Path) -> int:
    (file,) = folder.iterdir()
    return file.stat().st_size


def test_what_is_older_than_a_day_is_forgotten_and_the_file_is_bounded(
    tmp_path: Path, counter: CompletedCounter, clock: ManualClock
) -> None:
    before = size(tmp_path)
    for _ in range(3 * 24 * 60):
        counter.add()
        clock.advance(60)
    assert abs(counter.total() - 24 * 60) <= 1
    assert size(tmp_path) == before < 16_384
    clock.advance(DAY)
    assert counter.total() == 0


def test_a_restart_keeps_the_counts(tmp_path: Path, counter: CompletedCounter, clock: ManualClock) -> None:
    for _ in range(11):
        counter.add()
    clock.advance(3600)
    again = CompletedCounter(tmp_path, clock)
    assert again.total() == 11
    again.add()
    assert again.total() == 12
    clock.advance(DAY - 3600 + 60)
    assert again.total() == 1
    again.close()
    once_more = CompletedCounter(tmp_path, clock)
    assert once_more.total() == 1
    once_more.close()


def test_a_killed_process_loses_nothing(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path; "
        "from agent.work.completed_counter import CompletedCounter; "
        "from clipping.clock import SystemClock; "
        "counter = CompletedCounter(Path(sys.argv[1]), SystemClock()); "
        "[counter.add() for _ in range(1000)]; os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    from clipping.clock import SystemClock

    counter = CompletedCounter(tmp_path, SystemClock())
    assert counter.total() == 1000
    counter.close()


@pytest.mark.parametrize("damage", [b"", b"x" * 7, os.urandom(20_000), b"\xff" * 11_528])
def test_a_damaged_file_costs_no_more_than_what_was_in_it(
    tmp_path: Path, clock: ManualClock, damage: bytes
) -> None:
    (tmp_path / "completed.tally").write_bytes(damage)
    counter = CompletedCounter(tmp_path, clock)
    before = counter.total()
    counter.add()
    assert counter.total() == before + 1
    counter.close()
    assert size(tmp_path) < 16_384


def test_a_clock_that_was_set_back_counts_nothing_twice(
    counter: CompletedCounter, clock: ManualClock
) -> None:
    counter.add()
    clock.advance(-timedelta(hours=2).total_seconds())
    counter.add()
    assert counter.total() == 1
    clock.advance(timedelta(hours=2).total_seconds())
    assert counter.total() == 2


def test_a_disk_that_takes_nothing_does_not_stop_the_count(tmp_path: Path, clock: ManualClock) -> None:
    (tmp_path / "completed.tally").mkdir()  # in the way: unwritable even for root
    counter = CompletedCounter(tmp_path, clock)
    counter.add()
    assert counter.total() == 1
    counter.close()
