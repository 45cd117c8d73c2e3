"""A job that reads without progress is ended, one that works is not."""

from __future__ import annotations

import pytest

from agent.cutting.process.budget import MOST_BYTES, PROBE_BYTES, PROBE_SECONDS, Budget
from agent.cutting.process.stall import Usage
from clipping.contract.choices import Stage
from clipping.errors import SourceCorrupt, SourceUnavailable

MEGABYTE = 1 << 20


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def used(read: int = 0, written: int = 0, cpu: float = 0.0, fetched: int = 0) -> Usage:
    return Usage(read=read, fetched=fetched, written=written, cpu=cpu)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def budget(clock: Clock) -> Budget:
    budget = Budget(clock)
    assert budget.overrun(used()) is None
    return budget


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize(("stage", "most"), [("probing", PROBE_BYTES), ("cutting", MOST_BYTES)])
def test_reading_without_a_frame_is_damage(budget: Budget, stage: Stage, most: int, mapped: bool) -> None:
    def read(size: int) -> Usage:
        return used(fetched=size) if mapped else used(size)

    budget.progressed(stage)
    assert budget.overrun(read(0)) is None
    assert budget.overrun(read(most)) is None
    assert isinstance(budget.overrun(read(most + 1)), SourceCorrupt)


def test_what_was_found_starts_the_count_again(budget: Budget) -> None:
    budget.progressed("cutting")
    for gigabytes in range(0, 100, 3):
        budget.progressed("cutting")
        assert budget.overrun(used(gigabytes << 30)) is None
    assert budget.overrun(used(102 << 30)) is None
    assert isinstance(budget.overrun(used(104 << 30)), SourceCorrupt)


def test_copying_is_not_searching(budget: Budget) -> None:
    budget.progressed("cutting")
    assert budget.overrun(used(100 << 30, written=99 << 30)) is None


def test_a_slow_source_is_tried_again(budget: Budget, clock: Clock) -> None:
    clock.now = PROBE_SECONDS + 1
    assert isinstance(budget.overrun(used(20 * MEGABYTE, cpu=1)), SourceUnavailable)


def test_a_probe_that_is_busy_for_too_long_is_damage(budget: Budget, clock: Clock) -> None:
    clock.now = PROBE_SECONDS - 1
    assert budget.overrun(used(500 * MEGABYTE, cpu=10)) is None
    assert isinstance(budget.overrun(used(cpu=20)), SourceCorrupt)
    clock.now = PROBE_SECONDS + 1
    assert isinstance(budget.overrun(used(500 * MEGABYTE, cpu=10)), SourceCorrupt)


def test_only_the_probe_has_so_little_time(budget: Budget, clock: Clock) -> None:
    budget.progressed("cutting")
    clock.now = 100 * PROBE_SECONDS
    assert budget.overrun(used(1000 * MEGABYTE, cpu=2000)) is None


def test_a_process_that_is_gone_spends_nothing(budget: Budget) -> None:
    assert budget.overrun(None) is None


def test_a_probe_that_finds_packets_is_still_a_probe(budget: Budget, clock: Clock) -> None:
    clock.now = PROBE_SECONDS + 1
    budget.progressed("probing")
    assert isinstance(budget.overrun(used(500 * MEGABYTE)), SourceCorrupt)


def test_verifying_reads_the_clip(budget: Budget) -> None:
    budget.progressed("verifying")
    assert budget.overrun(used(100 << 30)) is None
