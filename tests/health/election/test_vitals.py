from __future__ import annotations

from datetime import timedelta

from bench.cluster.world import MachineClock, World
from health.election.roles import SelfCheck
from health.election.vitals import Vitals


class Body:
    def __init__(self) -> None:
        self.world = World(1)
        self.clock = MachineClock(self.world)
        self.check = SelfCheck(True)
        self.vitals = Vitals(lambda: self.check, self.clock, every=5.0)

    def look(self, after: float) -> None:
        self.world.run(self.world.now + after)
        self.vitals.look(self.clock.monotonic())


def test_checks_count_once_in_a_while_however_often_they_are_made() -> None:
    body = Body()
    body.check = SelfCheck(False, ("ill",))
    for _ in range(10):
        body.look(0.1)
    assert body.vitals.failed == 1
    body.look(5.0)
    assert body.vitals.failed == 2
    assert body.vitals.failing_since == body.clock.monotonic()


def test_one_good_check_clears_the_count() -> None:
    body = Body()
    body.check = SelfCheck(False, ("stuck",), alive=False)
    body.look(5.0)
    body.look(5.0)
    assert (body.vitals.failed, body.vitals.wedged) == (2, 2)
    body.check = SelfCheck(False, ("ill",))
    body.look(0.1)
    assert (body.vitals.failed, body.vitals.wedged) == (2, 0)
    body.check = SelfCheck(True)
    body.look(0.1)
    assert body.vitals.failed == 0
    assert body.vitals.failing_since == float("inf")


def test_a_late_loop_and_a_jumping_clock_are_gaps() -> None:
    body = Body()
    assert not body.vitals.gap(now=10.0, due=8.1)
    assert body.vitals.gap(now=10.0, due=7.9)
    body.clock.wall_offset += timedelta(seconds=3)
    assert body.vitals.gap(now=10.0, due=10.0)
    assert not body.vitals.gap(now=10.0, due=10.0), "a jump is one gap"
    body.clock.wall_offset -= timedelta(seconds=1.9)
    assert not body.vitals.gap(now=10.0, due=10.0)


def test_a_gap_throws_the_counts_away() -> None:
    body = Body()
    body.check = SelfCheck(False, ("ill",), alive=False)
    body.look(5.0)
    body.look(5.0)
    body.vitals.gap(now=100.0, due=10.0)
    assert (body.vitals.failed, body.vitals.wedged) == (0, 0)
