from __future__ import annotations

from datetime import timedelta

from bench.cluster.world import MachineClock, World
from health.election.roles import SelfCheck
from health.election.self_checks import SelfChecks


class Process:
    def __init__(self) -> None:
        self.world = World(1)
        self.clock = MachineClock(self.world)
        self.check = SelfCheck(True)
        self.checks = SelfChecks(lambda: self.check, self.clock, every=5.0)

    def run(self, after: float) -> None:
        self.world.run(self.world.now + after)
        self.checks.run(self.clock.monotonic())


def test_checks_are_counted_once_per_interval() -> None:
    process = Process()
    process.check = SelfCheck(False, ("no NAS",))
    for _ in range(10):
        process.run(0.1)
    assert process.checks.failed == 1
    process.run(5.0)
    assert process.checks.failed == 2
    assert process.checks.failing_since == process.clock.monotonic()


def test_one_good_check_clears_the_count() -> None:
    process = Process()
    process.check = SelfCheck(False, ("stuck",), alive=False)
    process.run(5.0)
    process.run(5.0)
    assert (process.checks.failed, process.checks.wedged) == (2, 2)
    process.check = SelfCheck(False, ("no NAS",))
    process.run(0.1)
    assert (process.checks.failed, process.checks.wedged) == (2, 0)
    process.check = SelfCheck(True)
    process.run(0.1)
    assert process.checks.failed == 0
    assert process.checks.failing_since == float("inf")


def test_a_late_loop_and_a_jumping_clock_are_gaps() -> None:
    process = Process()
    assert not process.checks.gap(now=10.0, due=8.1)
    assert process.checks.gap(now=10.0, due=7.9)
    process.clock.wall_offset += timedelta(seconds=3)
    assert process.checks.gap(now=10.0, due=10.0)
    assert not process.checks.gap(now=10.0, due=10.0), "a jump is one gap"
    process.clock.wall_offset -= timedelta(seconds=1.9)
    assert not process.checks.gap(now=10.0, due=10.0)


def test_a_gap_resets_the_counts() -> None:
    process = Process()
    process.check = SelfCheck(False, ("no NAS",), alive=False)
    process.run(5.0)
    process.run(5.0)
    process.checks.gap(now=100.0, due=10.0)
    assert (process.checks.failed, process.checks.wedged) == (0, 0)
