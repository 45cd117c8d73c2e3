"""Takeovers and faults of a whole cluster."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bench.cluster.machine import CLUSTER
from clipping.contract.cluster import intent_key, lease_key
from health.election.roles import State
from tests.ha.play import Play


def test_the_first_agent_leads_within_seconds_and_the_other_is_a_standby() -> None:
    play = Play()
    play.machines[0].start()
    play.world.after(3, play.machines[1].start)
    assert play.until_led(2.0) < 2.0
    play.pass_time(30)
    assert play.leaders() == [play.machines[0]]
    assert play.epoch() == 1
    assert play.view(play.machines[1]).role == "standby"
    assert play.view(play.machines[1]).why == "nas-0 (epoch 1) leads"


def test_a_dead_leader_is_replaced_and_does_not_come_back_as_one() -> None:
    play = Play()
    old = play.start()
    old.kill()
    play.until_led(50)
    (new,) = play.leaders()
    assert new is not old
    assert play.epoch() == 2
    old.start()
    play.pass_time(300)
    assert play.leaders() == [new]
    assert play.epoch() == 2


def test_a_restarted_leader_takes_its_lease_back_at_once() -> None:
    play = Play()
    old = play.start()
    old.kill()
    old.start()
    assert play.until_led(2.0) < 2.0
    assert play.leaders() == [old]
    assert play.epoch() == 2


def test_a_leader_that_is_stopped_hands_over_at_once() -> None:
    play = Play()
    old = play.start()
    old.drains_idle = True
    old.stop()
    play.pass_time(10)
    assert play.leaders() == play.others(old)
    assert not old.alive()


def test_of_three_the_lowest_rank_takes_over() -> None:
    play = Play(3)
    play.start().kill()
    play.until_led(50)
    assert play.leaders() == [play.machines[1]]


def test_agents_that_only_lose_each_other_go_on() -> None:
    play = Play()
    leader = play.start()
    for machine in play.machines:
        machine.no_peers_until = play.world.now + 600
    play.pass_time(600)
    assert play.leaders() == [leader]
    assert play.epoch() == 1


def test_a_leader_without_the_store_stops_before_another_starts() -> None:
    play = Play()
    leader = play.start()
    leader.no_store_until = play.world.now + 120
    lost = play.world.now
    while leader.leads():
        play.pass_time(0.1)
    stopped = play.world.now - lost
    play.until_led(60)
    assert stopped <= 20.2
    assert play.world.now - lost > stopped
    play.pass_time(200)
    assert play.view(leader).role == "standby"


def test_no_agent_leads_without_a_store_and_one_does_when_it_is_back() -> None:
    play = Play()
    play.start()
    for machine in play.machines:
        machine.no_store_until = play.world.now + 300
    play.pass_time(299)
    assert play.leaders() == []
    assert all("can't be reached" in play.view(m).why for m in play.machines)
    play.until_led(90)


def test_a_lost_renewal_demotes_no_leader() -> None:
    play = Play()
    leader = play.start()
    for _ in range(20):
        leader.no_store_until = play.world.now + 6
        play.pass_time(20)
    assert play.leaders() == [leader]
    assert play.epoch() == 1


@pytest.mark.parametrize("seconds", [3600.0, -3600.0])
def test_a_wall_clock_that_jumps_changes_no_role(seconds: float) -> None:
    play = Play()
    leader = play.start()
    for machine in play.machines:
        machine.clock.wall_offset += timedelta(seconds=seconds)
        play.pass_time(60)
    assert play.leaders() == [leader]
    assert play.epoch() == 1


def test_a_suspended_leader_resumes_fenced() -> None:
    play = Play()
    leader = play.start()
    leader.paused_until = play.world.now + 90
    play.pass_time(89)
    assert leader not in play.leaders()
    assert len(play.leaders()) == 1
    play.pass_time(2)
    assert play.view(leader).state is State.FENCED
    play.pass_time(60)
    assert play.view(leader).state is State.STANDBY


def test_a_deleted_lease_is_not_taken_for_a_free_one() -> None:
    play = Play()
    leader = play.start()
    play.store.delete(lease_key(CLUSTER))
    play.pass_time(15)
    assert play.leaders() in ([leader], [])
    assert play.store.get(lease_key(CLUSTER)) is None
    play.until_led(60)
    assert play.epoch() > 1_700_000_000, "the store's own time in seconds is above every earlier epoch"


def break_lease(play: Play) -> None:
    play.store.watches = False
    play.write(lease_key(CLUSTER), b'{"schema": 1, "holder": 7}')


def test_an_invalid_lease_promotes_no_agent_until_it_is_deleted() -> None:
    play = Play()
    play.start()
    break_lease(play)
    play.pass_time(600)
    assert play.leaders() == []
    assert all("the lease is not valid" in play.view(machine).why for machine in play.machines)
    assert play.store.get(lease_key(CLUSTER)) is not None
    play.store.watches = True
    play.store.delete(lease_key(CLUSTER))
    play.until_led(60)


def test_an_invalid_intent_stops_automatic_takeovers_and_is_reported() -> None:
    play = Play()
    leader = play.start()
    play.write(intent_key(CLUSTER), b"what?")
    play.pass_time(10)
    leader.kill()
    play.pass_time(600)
    assert play.leaders() == []
    (other,) = play.others(leader)
    assert "intent is not valid" in play.view(other).why
    play.intend()
    play.until_led(20)


def test_a_second_agent_of_the_same_id_ends_with_78() -> None:
    play = Play()
    leader = play.start()
    namesake = play.others(leader)[0]
    namesake.kill()
    namesake.name = leader.name
    namesake.start()
    play.pass_time(60)
    assert namesake.process is not None
    assert namesake.process.member.exit_code == 78
    assert namesake.process.member.state is State.STOPPED
    assert play.leaders() == [leader]


def test_takeovers_in_a_row_are_held_down() -> None:
    play = Play()
    play.start()
    waits = []
    for _ in range(4):
        (leader,) = play.leaders()
        leader.paused_until = play.world.now + 300
        play.pass_time(21)  # its guard
        waits.append(play.until_led(290))
        leader.resume()
        play.pass_time(40)  # to notice it, and to wait one TTL
    assert waits[0] < 30
    assert waits[-1] > 50, "15 x 2^3 seconds after the one before"


def test_an_agent_that_has_only_just_started_does_not_take_over() -> None:
    play = Play()
    leader = play.start()
    (other,) = play.others(leader)
    other.kill()
    leader.kill()
    play.pass_time(60)
    begin = play.world.now
    other.start()
    play.until_led(60)
    assert play.world.now - begin >= 30


def test_a_standby_that_can_not_reach_a_live_leader_warns_and_waits(caplog: pytest.LogCaptureFixture) -> None:
    play = Play()
    leader = play.start()
    caplog.clear()
    play.others(leader)[0].no_peers_until = play.world.now + 120
    play.pass_time(60)
    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warned == ["cluster.leader_unreachable"]
    assert (
        play.view(play.others(leader)[0]).why
        == "nas-0 (epoch 1) leads, but it does not answer this agent's health polls"
    )
    assert play.view(play.others(leader)[0]).reasons == ("nas-0 does not answer this agent's health polls",)
    assert play.view(play.others(leader)[0]).eligible
    play.pass_time(120)
    assert play.leaders() == [leader]
    assert play.view(play.others(leader)[0]).why == "nas-0 (epoch 1) leads"
