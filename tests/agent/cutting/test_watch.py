"""A slow job is told from one that stands still."""

from __future__ import annotations

import os
from pathlib import Path

from agent.cutting.process.watch import StallWatch, bytes_moved


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_job_that_reads_or_speaks_does_not_stand_still() -> None:
    clock = Clock()
    watch = StallWatch(clock)
    assert watch.still_for((1, 0)) == 0
    clock.now = 5
    assert watch.still_for((1, 0)) == 5
    assert watch.still_for((2, 0)) == 0
    clock.now = 9
    watch.moved()
    clock.now = 10
    assert watch.still_for((2, 0)) == 1


def test_bytes_are_seen_to_move(tmp_path: Path) -> None:
    before = bytes_moved(os.getpid())
    assert before is not None
    (tmp_path / "file").write_bytes(bytes(100_000))
    after = bytes_moved(os.getpid())
    assert after is not None
    assert after >= before + 100_000


def test_a_process_that_is_gone_is_no_error() -> None:
    assert bytes_moved(2**22 + 1) is None
