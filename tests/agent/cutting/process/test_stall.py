"""A slow job is distinguished from a stalled one."""

from __future__ import annotations

import os
from pathlib import Path

from agent.cutting.process.stall import StallWatch, Usage, usage


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_job_that_reads_or_sends_messages_is_not_stalled() -> None:
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


def test_what_a_process_reads_writes_and_computes_is_seen(tmp_path: Path) -> None:
    before = usage(os.getpid())
    assert before is not None
    (tmp_path / "file").write_bytes(bytes(100_000))
    assert len((tmp_path / "file").read_bytes()) == 100_000
    after = usage(os.getpid())
    assert after is not None
    assert after.read >= before.read + 100_000
    assert after.written >= before.written + 100_000
    assert after.cpu >= before.cpu


def test_computing_is_work() -> None:
    before = Usage(read=10, fetched=0, written=5, cpu=1.0)
    after = Usage(read=10, fetched=0, written=5, cpu=1.2)
    assert before.job_work != after.job_work
    assert before.helper_work != after.helper_work


def test_an_ffmpeg_that_only_prints_its_progress_does_nothing() -> None:
    before = Usage(read=10, fetched=0, written=5, cpu=1.01)
    after = Usage(read=10, fetched=0, written=900, cpu=1.09)
    assert before.helper_work == after.helper_work
    assert before.job_work != after.job_work


def test_a_process_that_is_gone_is_no_error() -> None:
    assert usage(2**22 + 1) is None
