"""Planned failovers and pauses of a whole cluster."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.ha.play import Play


def test_while_paused_a_dead_leader_is_not_replaced_but_a_named_failover_works() -> None:
    play = Play()
    leader = play.start()
    play.pause(reason="maintenance")
    play.pass_time(10)
    leader.kill()
    play.pass_time(300)
    assert play.leaders() == []
    (other,) = play.others(leader)
    assert "paused by ann: maintenance" in play.view(other).why
    assert play.view(other).paused
    assert play.record(other).eligible, "a named failover to it works"
    play.fail_over("op-1", target=other)
    play.until_led(10)
    assert play.leaders() == [other]


def test_a_pause_ends_by_itself() -> None:
    play = Play()
    leader = play.start()
    play.pause(until=play.world.clock.now() + timedelta(seconds=200))
    play.pass_time(10)
    leader.kill()
    play.pass_time(180)
    assert play.leaders() == []
    play.until_led(30)


@pytest.mark.parametrize("mode", ["graceful", "fast"])
def test_a_failover_hands_over_to_its_target(mode: str) -> None:
    play = Play(3)
    leader = play.start()
    target = play.machines[2]
    play.fail_over("op-1", target=target, mode=mode)
    play.pass_time(60)
    assert play.leaders() == [target]
    assert play.epoch() == 2
    answer = play.record(leader).intent
    assert answer is not None
    assert (answer.operation_id, answer.accepted) == ("op-1", True)
    play.pass_time(300)
    assert play.leaders() == [target], "an intent is carried out once"


def test_a_failover_without_a_target_takes_the_best_standby() -> None:
    play = Play(3)
    play.start()
    play.machines[1].unhealthy_until = play.world.now + 600
    play.pass_time(60)
    play.fail_over("op-1", target=None)
    play.pass_time(60)
    assert play.leaders() == [play.machines[2]]


def failing(play: Play) -> None:
    play.machines[1].unhealthy_until = play.world.now + 600
    play.pass_time(40)


def dead(play: Play) -> None:
    play.machines[1].kill()
    play.pass_time(120)


@pytest.mark.parametrize(
    ("before", "over", "why"),
    [
        (failing, {}, "the NAS is unavailable"),
        (dead, {}, "has not written its record"),
        (lambda _: None, {"to": "nas-0"}, "leads already"),
        (lambda _: None, {"to": "nas-9"}, "not a known agent"),
    ],
    ids=["failing", "dead", "itself", "unknown"],
)
def test_a_failover_that_can_not_be_is_refused_with_the_reason(
    before: Callable[[Play], None], over: dict[str, str], why: str
) -> None:
    play = Play()
    leader = play.start()
    before(play)
    play.fail_over("op-1", target=play.machines[1], **over)
    play.pass_time(30)
    assert play.leaders() == [leader]
    answer = play.record(leader).intent
    assert answer is not None
    assert not answer.accepted
    assert why in answer.reason


def test_a_stale_failover_is_ignored_with_a_reason() -> None:
    play = Play()
    leader = play.start()
    play.fail_over("op-1", target=play.machines[1], epoch=0)
    play.pass_time(60)
    assert play.leaders() == [leader]
    assert play.record(leader).intent is None
    assert "op-1 is stale" in play.view(leader).why


def test_a_second_failover_while_draining_is_refused() -> None:
    play = Play(3, seed=3)
    leader = play.start()
    play.fail_over("op-1", target=play.machines[1])
    while play.view(leader).role != "draining":
        play.pass_time(0.1)
    play.fail_over("op-2", target=play.machines[2])
    play.pass_time(60)
    assert play.leaders() == [play.machines[1]]
    answer = play.record(leader).intent
    assert answer is not None
    assert (answer.operation_id, answer.accepted) == ("op-2", False)


def test_a_leader_takes_the_lease_back_from_a_target_that_died() -> None:
    play = Play()
    leader = play.start()
    target = play.machines[1]
    target.kill()
    play.fail_over("op-1", target=target)  # its record is still recent
    play.pass_time(30)
    assert play.until_led(60) < 60
    assert play.leaders() == [leader]
