"""Clips of the last 24 hours, before restarts too."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from agent.work.tally import Tally
from clipping.clock import ManualClock

DAY = 86_400


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def tally(tmp_path: Path, clock: ManualClock) -> Iterator[Tally]:
    tally = Tally(tmp_path, clock)
    yield tally
    tally.close()


def size(folder: Path) -> int:
    (file,) = folder.iterdir()
    return file.stat().st_size


def test_what_is_older_than_a_day_is_forgotten_and_the_file_is_bounded(
    tmp_path: Path, tally: Tally, clock: ManualClock
) -> None:
    before = size(tmp_path)
    for _ in range(3 * 24 * 60):
        tally.add()
        clock.advance(60)
    assert abs(tally.total() - 24 * 60) <= 1
    assert size(tmp_path) == before < 16_384
    clock.advance(DAY)
    assert tally.total() == 0


def test_a_restart_forgets_nothing_and_the_day_goes_on(
    tmp_path: Path, tally: Tally, clock: ManualClock
) -> None:
    for _ in range(11):
        tally.add()
    clock.advance(3600)
    again = Tally(tmp_path, clock)
    assert again.total() == 11
    again.add()
    assert again.total() == 12
    clock.advance(DAY - 3600 + 60)
    assert again.total() == 1
    again.close()
    once_more = Tally(tmp_path, clock)
    assert once_more.total() == 1
    once_more.close()


def test_a_killed_process_loses_nothing(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path; from agent.work.tally import Tally; "
        "from clipping.clock import SystemClock; tally = Tally(Path(sys.argv[1]), SystemClock()); "
        "[tally.add() for _ in range(1000)]; os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    from clipping.clock import SystemClock

    tally = Tally(tmp_path, SystemClock())
    assert tally.total() == 1000
    tally.close()


@pytest.mark.parametrize("damage", [b"", b"x" * 7, os.urandom(20_000), b"\xff" * 11_528])
def test_a_damaged_file_costs_no_more_than_what_was_in_it(
    tmp_path: Path, clock: ManualClock, damage: bytes
) -> None:
    (tmp_path / "completed.tally").write_bytes(damage)
    tally = Tally(tmp_path, clock)
    before = tally.total()
    tally.add()
    assert tally.total() == before + 1
    tally.close()
    assert size(tmp_path) < 16_384


def test_a_clock_that_was_set_back_counts_nothing_twice(tally: Tally, clock: ManualClock) -> None:
    tally.add()
    clock.advance(-timedelta(hours=2).total_seconds())
    tally.add()
    assert tally.total() == 1
    clock.advance(timedelta(hours=2).total_seconds())
    assert tally.total() == 2


def test_a_disk_that_takes_nothing_does_not_stop_the_count(tmp_path: Path, clock: ManualClock) -> None:
    (tmp_path / "completed.tally").mkdir()  # in the way: unwritable even for root
    tally = Tally(tmp_path, clock)
    tally.add()
    assert tally.total() == 1
    tally.close()
