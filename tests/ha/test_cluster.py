"""What a whole cluster does: real members on a simulated clock, network and store (bench/cluster)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from bench.cluster.hostile import Cluster, timings_of
from bench.cluster.machine import CLUSTER, Machine
from clipping.contract.cluster import (
    AgentRecord,
    FailoverIntent,
    Intent,
    Pause,
    agent_key,
    intent_key,
    lease_key,
)
from health.cluster.registry import read_intent
from health.election.roles import RoleView, State


class Play:
    """A cluster in fair weather, and words for what happens to it."""

    def __init__(self, agents: int = 2, *, preset: str = "default", seed: int = 1) -> None:
        self.cluster = Cluster(seed, agents=agents, timings=timings_of(preset))
        self.world, self.store = self.cluster.world, self.cluster.store
        self.machines = self.cluster.machines

    def start(self) -> Machine:
        """All start, the first first; it leads. Long enough for hold-downs and uptimes to pass."""
        for number, machine in enumerate(self.machines):
            self.world.after(5.0 * number, machine.start)
        self.pass_time(60)
        (leader,) = self.leaders()
        return leader

    def pass_time(self, seconds: float) -> None:
        self.world.run(self.world.now + seconds)
        assert self.cluster.outcome.two_guards == []
        assert self.store.mistakes == []

    def leaders(self) -> list[Machine]:
        return [machine for machine in self.machines if machine.leads()]

    def until_led(self, within: float) -> float:
        begin = self.world.now
        while not self.leaders():
            self.pass_time(0.1)
            assert self.world.now - begin < within, [self.view(m).why for m in self.machines if m.alive()]
        return self.world.now - begin

    def others(self, machine: Machine) -> list[Machine]:
        return [other for other in self.machines if other is not machine]

    def view(self, machine: Machine) -> RoleView:
        assert machine.process is not None
        return machine.process.member.view()

    def epoch(self) -> int:
        lease = self.cluster.lease()
        assert lease is not None
        return lease.epoch

    def write(self, key: str, data: bytes) -> None:
        found = self.store.get(key)
        self.store.replace(key, data, expected=found[1].version if found else None)

    def intend(self, **fields: Any) -> None:
        self.write(intent_key(CLUSTER), Intent(schema=1, **fields).to_json())

    def fail_over(self, operation_id: str, target: Machine | None, **over: Any) -> None:
        lease = self.cluster.lease()
        assert lease is not None
        fields: dict[str, Any] = {
            "operation_id": operation_id,
            "epoch": lease.epoch,
            "old_primary": lease.holder,
            "target": target.name if target is not None else None,
            "requested_at": self.world.clock.now(),
        }
        if "to" in fields | over:
            fields["target"] = over.pop("to")
        pause = read_intent(self.store, CLUSTER).pause
        self.intend(failover=FailoverIntent(**{**fields, **over}), pause=pause)

    def pause(self, **over: Any) -> None:
        self.intend(pause=Pause(paused_at=self.world.clock.now(), paused_by="ann", **over))

    def record(self, machine: Machine) -> AgentRecord:
        found = self.store.get(agent_key(CLUSTER, machine.name))
        assert found is not None
        return AgentRecord.from_json(found[0])


def test_the_first_leads_within_seconds_and_the_other_stands_by() -> None:
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
    old.idles = True
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


def test_nobody_leads_without_a_store_and_somebody_does_when_it_is_back() -> None:
    play = Play()
    play.start()
    for machine in play.machines:
        machine.no_store_until = play.world.now + 300
    play.pass_time(299)
    assert play.leaders() == []
    assert all("can't be reached" in play.view(m).why for m in play.machines)
    play.until_led(90)


def test_one_lost_renewal_demotes_nobody() -> None:
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


def test_a_leader_that_sleeps_wakes_up_fenced() -> None:
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
    assert play.epoch() > 1_700_000_000, "the store's own seconds: nobody can have led beyond them"


def break_lease(play: Play) -> None:
    play.store.watches = False
    play.write(lease_key(CLUSTER), b'{"schema": 1, "holder": 7}')


def test_a_broken_lease_promotes_nobody_until_somebody_clears_it_away() -> None:
    play = Play()
    play.start()
    break_lease(play)
    play.pass_time(600)
    assert play.leaders() == []
    assert all("can't be understood" in play.view(machine).why for machine in play.machines)
    assert play.store.get(lease_key(CLUSTER)) is not None
    play.store.watches = True
    play.store.delete(lease_key(CLUSTER))
    play.until_led(60)


def test_a_broken_intent_stops_automatic_takeovers_and_says_so() -> None:
    play = Play()
    leader = play.start()
    play.write(intent_key(CLUSTER), b"what?")
    play.pass_time(10)
    leader.kill()
    play.pass_time(600)
    assert play.leaders() == []
    (other,) = play.others(leader)
    assert "intent can't be understood" in play.view(other).why
    play.intend()
    play.until_led(20)


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
    assert play.leaders() == [target], "the same intent is not obeyed twice"


def test_a_failover_without_a_target_takes_the_best_standby() -> None:
    play = Play(3)
    play.start()
    play.machines[1].ill_until = play.world.now + 600
    play.pass_time(60)
    play.fail_over("op-1", target=None)
    play.pass_time(60)
    assert play.leaders() == [play.machines[2]]


def ill(play: Play) -> None:
    play.machines[1].ill_until = play.world.now + 600
    play.pass_time(40)


def dead(play: Play) -> None:
    play.machines[1].kill()
    play.pass_time(120)


@pytest.mark.parametrize(
    ("before", "over", "why"),
    [
        (ill, {}, "the NAS is away"),
        (dead, {}, "heard of"),
        (lambda _: None, {"to": "nas-0"}, "leads already"),
        (lambda _: None, {"to": "nas-9"}, "heard of"),
    ],
    ids=["ill", "dead", "itself", "unknown"],
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


def test_a_target_that_dies_does_not_take_the_cluster_with_it() -> None:
    play = Play()
    leader = play.start()
    target = play.machines[1]
    target.kill()
    play.fail_over("op-1", target=target)  # its document is still fresh
    play.pass_time(30)
    assert play.until_led(60) < 60
    assert play.leaders() == [leader]


def test_a_leader_that_falls_ill_resigns_when_another_is_well() -> None:
    play = Play()
    leader = play.start()
    leader.ill_until = play.world.now + 600
    play.pass_time(60)
    assert play.leaders() == play.others(leader)


def test_a_leader_that_falls_ill_goes_on_when_nobody_is_better() -> None:
    play = Play()
    leader = play.start()
    for machine in play.machines:
        machine.ill_until = play.world.now + 300
    play.pass_time(299)
    assert play.leaders() == [leader]
    assert "no other agent is better" in play.view(leader).why


def test_a_leader_that_stands_still_inside_loses_the_lease() -> None:
    play = Play()
    leader = play.start()
    leader.wedged_until = play.world.now + 600
    play.pass_time(40)
    assert leader not in play.leaders()
    play.pass_time(30)
    assert play.leaders() == play.others(leader)


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
        play.pass_time(40)  # to notice, and to cool down
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


def test_an_operator_can_have_the_leader_resign() -> None:
    play = Play()
    leader = play.start()
    assert leader.process is not None
    leader.process.member.order_resign()
    play.pass_time(45)
    assert play.leaders() == play.others(leader)


def test_who_resigns_after_a_long_drain_does_not_take_the_lease_back_itself() -> None:
    play = Play()
    leader = play.start()
    leader.drain_takes = 200.0  # longer than a resigned agent holds back
    assert leader.process is not None
    leader.process.member.order_resign()
    play.pass_time(199)
    assert play.view(leader).role == "draining"
    play.pass_time(20)
    assert play.leaders() == play.others(leader)


def test_a_single_agent_that_was_told_to_resign_comes_back_after_a_while() -> None:
    play = Play(1)
    leader = play.start()
    assert leader.process is not None
    leader.process.member.order_resign()
    play.pass_time(50)
    assert play.leaders() == []
    play.until_led(60)


def test_an_agent_without_intake_is_not_eligible_and_says_why() -> None:
    play = Play()
    leader = play.start()
    (other,) = play.others(leader)
    assert other.process is not None
    other.process.member.order_intake(False)
    play.pass_time(40)
    assert (play.record(other).eligible, play.record(other).reasons) == (False, ("its intake is paused",))
    leader.kill()
    play.pass_time(200)
    assert play.leaders() == []
    other.process.member.order_intake(True)
    play.until_led(20)


def test_a_standby_that_can_not_see_a_living_leader_warns_and_waits(caplog: pytest.LogCaptureFixture) -> None:
    play = Play()
    leader = play.start()
    caplog.clear()
    play.others(leader)[0].no_peers_until = play.world.now + 120
    play.pass_time(60)
    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warned == ["cluster.holder_unseen"]
    assert play.view(play.others(leader)[0]).why == "nas-0 (epoch 1) leads, though it does not answer here"
    assert play.view(play.others(leader)[0]).reasons == ("nas-0 does not answer here",)
    assert play.view(play.others(leader)[0]).eligible
    play.pass_time(120)
    assert play.leaders() == [leader]
    assert play.view(play.others(leader)[0]).why == "nas-0 (epoch 1) leads"
