"""Every row of the state table, in order."""

from __future__ import annotations

from dataclasses import replace

import pytest

from health.election.election import decide
from health.election.observation import (
    Abort,
    Acquire,
    Answer,
    Begin,
    Drain,
    Exit,
    LeaseView,
    Observation,
    Peer,
    Read,
    Release,
    Resign,
)
from health.election.roles import State
from tests.ha.observed import ME, TIMINGS, active, draining, failover, held_by_me, seen, standby

ABLE = (Peer("nas-2", True),)


def test_init_becomes_standby() -> None:
    assert decide(Observation(State.INIT, 0, ME, TIMINGS)).state is State.STANDBY


def test_init_without_an_election_begins_at_once() -> None:
    decision = decide(Observation(State.INIT, 0, ME, TIMINGS, elects=False))
    assert (decision.state, decision.actions) == (State.ACTIVE, (Begin(),))


def test_standby_retakes_the_lease_of_its_predecessor_at_once() -> None:
    left = seen(holder="nas-1", host="host-1", instance="instance-0")
    decision = decide(standby(lease=left, predecessors=frozenset({"instance-0"}), uptime=1.0))
    assert decision.state is State.ACQUIRING
    assert isinstance(decision.actions[0], Acquire)
    assert "predecessor" in decision.reason


@pytest.mark.parametrize(
    "left",
    [
        seen(holder="nas-1", host="host-9", instance="instance-0"),
        seen(holder="nas-1", host="host-1", instance="instance-9"),
        seen(holder="nas-9", host="host-1", instance="instance-9"),
    ],
    ids=["another host", "another state directory", "another agent"],
)
def test_standby_assumes_no_process_dead_that_its_lock_does_not_prove_dead(left: LeaseView) -> None:
    decision = decide(standby(lease=left, predecessors=frozenset({"instance-0"})))
    assert decision.state is State.STANDBY


@pytest.mark.parametrize("host", ["host-9", "host-1"])
def test_standby_stops_when_another_agent_of_its_id_renews(host: str) -> None:
    namesake = seen(holder="nas-1", host=host, instance="instance-9", changes=2)
    decision = decide(standby(lease=namesake))
    assert (decision.state, decision.actions) == (State.STOPPED, (Exit(78),))
    assert "nas-1" in decision.reason
    assert host in decision.reason


def test_one_change_may_be_the_last_write_of_a_dead_predecessor() -> None:
    namesake = seen(holder="nas-1", host="host-9", instance="instance-9", changes=1)
    assert decide(standby(lease=namesake)).state is State.STANDBY


@pytest.mark.parametrize("over", [{}, {"target": "nas-1"}], ids=["for any agent", "for this one"])
def test_standby_takes_a_released_lease_without_waiting(over: dict[str, str]) -> None:
    decision = decide(standby(lease=seen(state="released", **over), uptime=0.1, hold_down=99.0))
    assert (decision.state, decision.at_once) == (State.CANDIDATE, True)


def test_standby_takes_a_handoff_to_itself_even_while_paused() -> None:
    handed = seen(state="handoff", target="nas-1")
    decision = decide(standby(lease=handed, pause="paused", resigned=50.0, hold_down=99.0))
    assert (decision.state, decision.at_once) == (State.CANDIDATE, True)


def test_standby_leaves_a_handoff_to_its_target_for_a_while() -> None:
    handed = {"state": "handoff", "target": "nas-3"}
    assert decide(standby(lease=seen(14.9, **handed))).state is State.STANDBY
    assert decide(standby(lease=seen(15.0, **handed))).state is State.CANDIDATE


def test_standby_leaves_a_released_lease_while_paused_unless_it_is_named() -> None:
    released = seen(state="released")
    paused = standby(lease=released, pause="paused by ann")
    assert decide(paused).state is State.STANDBY
    assert "paused by ann" in decide(paused).reason
    named = replace(paused, failover=failover(old_primary="nas-2", target="nas-1"))
    assert decide(named).state is State.CANDIDATE


def test_an_agent_that_resigned_leaves_a_free_lease_to_others_but_not_an_expired_one() -> None:
    assert decide(standby(lease=seen(state="released"), resigned=0.1)).state is State.STANDBY
    assert decide(replace(EXPIRED, resigned=50.0)).state is State.CANDIDATE


def test_an_agent_that_resigned_takes_back_a_handoff_that_no_agent_took() -> None:
    handed = {"state": "handoff", "target": "nas-3", "holder": "nas-1"}
    assert decide(standby(lease=seen(29.9, **handed), resigned=30.0)).state is State.STANDBY
    assert decide(standby(lease=seen(30.0, **handed), resigned=30.0)).state is State.CANDIDATE


EXPIRED = standby(lease=seen(30.0), failed_polls=3)


def test_standby_becomes_candidate_for_an_expired_lease_whose_leader_failed_its_polls() -> None:
    decision = decide(EXPIRED)
    assert (decision.state, decision.at_once) == (State.CANDIDATE, False)


@pytest.mark.parametrize(
    ("over", "why"),
    [
        ({"lease": seen(29.9)}, "leads"),
        ({"failed_polls": 2}, "polls"),
        ({"eligible": False, "reasons": ("no NAS",)}, "no NAS"),
        ({"pause": "paused by ann"}, "paused by ann"),
        ({"hold_down": 0.1}, "hold-down"),
        ({"uptime": 29.9}, "started"),
        ({"reachable": False}, "can't be reached"),
    ],
)
def test_standby_stays_when_one_condition_is_missing(over: dict[str, object], why: str) -> None:
    decision = decide(replace(EXPIRED, **over))  # type: ignore[arg-type]
    assert decision.state is State.STANDBY
    assert why in decision.reason


def test_the_veto_of_a_leader_that_answers_is_bounded() -> None:
    """max(3 x TTL, 3 x 30 s) after the expiry."""
    answering = replace(EXPIRED, failed_polls=0)
    assert decide(replace(answering, lease=seen(30.0 + 90.0))).state is State.STANDBY
    over = decide(replace(answering, lease=seen(30.0 + 90.1)))
    assert over.state is State.CANDIDATE
    assert "although it answers" in over.reason


def test_the_veto_follows_the_polls_where_they_are_slower_than_the_lease() -> None:
    slow = replace(TIMINGS, poll=60.0)
    answering = replace(EXPIRED, failed_polls=0, timings=slow)
    assert decide(replace(answering, lease=seen(30.0 + 179.0))).state is State.STANDBY
    assert decide(replace(answering, lease=seen(30.0 + 181.0))).state is State.CANDIDATE


def test_standby_makes_a_missing_lease_after_a_ttl() -> None:
    missing = standby(lease=LeaseView("missing", None, 29.9))
    assert decide(missing).state is State.STANDBY
    assert decide(replace(missing, lease=LeaseView("missing", None, 30.0))).state is State.CANDIDATE


@pytest.mark.parametrize("over", [{"pause": "paused"}, {"eligible": False}])
def test_a_missing_lease_is_not_created_by_an_agent_that_may_not_lead(over: dict[str, object]) -> None:
    missing = standby(lease=LeaseView("missing", None, 99.0))
    assert decide(replace(missing, **over)).state is State.STANDBY  # type: ignore[arg-type]


def test_an_invalid_lease_promotes_no_agent() -> None:
    broken = standby(lease=LeaseView("broken", None, 9999.0, detail="Lease: epoch: missing"), failed_polls=99)
    decision = decide(broken)
    assert decision.state is State.STANDBY
    assert "Lease: epoch: missing" in decision.reason


def test_standby_without_a_store_never_promotes() -> None:
    assert decide(replace(EXPIRED, reachable=False, lease=seen(9999.0))).state is State.STANDBY
    assert decide(replace(EXPIRED, lease=LeaseView())).state is State.STANDBY


CANDIDATE = replace(EXPIRED, state=State.CANDIDATE, state_for=0.0, candidate_wait=2.5)


def test_candidate_waits_for_its_rank_then_reads_again_then_acquires() -> None:
    assert decide(replace(CANDIDATE, state_for=2.4)).actions == ()
    assert decide(replace(CANDIDATE, state_for=2.5)).actions == (Read(),)
    decision = decide(replace(CANDIDATE, state_for=2.6, read_since_wait=True))
    assert decision.state is State.ACQUIRING
    assert isinstance(decision.actions[0], Acquire)


@pytest.mark.parametrize(
    "over",
    [{"lease": seen(0.1, epoch=8)}, {"gap": True}, {"reachable": False}, {"pause": "paused"}],
    ids=["renewed", "the loop stalled", "the store is unreachable", "paused"],
)
def test_candidate_steps_back(over: dict[str, object]) -> None:
    late = replace(CANDIDATE, state_for=9.0, read_since_wait=True)
    assert decide(replace(late, **over)).state is State.STANDBY  # type: ignore[arg-type]


ACQUIRING = Observation(State.ACQUIRING, 0.1, ME, TIMINGS, lease=held_by_me(), outcome="won")


def test_acquiring_becomes_active_when_the_lease_is_ours_in_time() -> None:
    decision = decide(replace(ACQUIRING, guard_remaining=19.0))
    assert (decision.state, decision.actions) == (State.ACTIVE, (Begin(),))
    assert decision.renews


@pytest.mark.parametrize(
    ("outcome", "remaining"),
    [("won", 0.0), ("lost", 0.0), ("unknown", 0.0)],
    ids=["too late", "another agent was first", "no response"],
)
def test_acquiring_falls_back(outcome: str, remaining: float) -> None:
    decision = decide(replace(ACQUIRING, outcome=outcome, guard_remaining=remaining))  # type: ignore[arg-type]
    assert (decision.state, decision.actions) == (State.STANDBY, ())


def test_acquiring_waits_for_the_store() -> None:
    assert decide(replace(ACQUIRING, outcome="pending")).state is State.ACQUIRING


def test_active_continues_while_its_guard_is_valid_even_if_renewals_fail() -> None:
    decision = decide(active(outcome="unknown", reachable=False, guard_remaining=0.1))
    assert decision.state is State.ACTIVE
    assert decision.renews


def test_active_is_fenced_when_its_guard_has_run_out() -> None:
    decision = decide(active(guard_remaining=0.0))
    assert (decision.state, decision.actions) == (State.FENCED, (Abort(),))


def test_active_is_fenced_when_another_holds_the_lease() -> None:
    decision = decide(active(lease=seen()))
    assert (decision.state, decision.actions) == (State.FENCED, (Abort(),))
    assert "nas-2" in decision.reason


@pytest.mark.parametrize("kind", ["missing", "broken"])
def test_active_continues_to_its_deadline_when_the_lease_is_gone_or_broken(kind: str) -> None:
    gone = LeaseView(kind, None, 1.0)  # type: ignore[arg-type]
    assert decide(active(lease=gone)).state is State.ACTIVE
    assert decide(active(lease=gone, guard_remaining=0.0)).state is State.FENCED


FAILING = active(failed_checks=2, reasons=("the NAS is away",), peers=ABLE)


def test_active_resigns_for_an_eligible_standby_when_its_checks_fail() -> None:
    decision = decide(FAILING)
    assert decision.state is State.DRAINING
    assert decision.actions[:2] == (Drain(True), Resign("nas-2", decision.reason, True))
    assert "the NAS is away" in decision.reason


@pytest.mark.parametrize(
    "over",
    [
        {"failed_checks": 1},
        {"peers": None},
        {"peers": (Peer("nas-2", False, "no NAS either"),)},
        {"pause": "paused"},
    ],
    ids=["once may be chance", "peers unknown", "no eligible one", "paused"],
)
def test_active_does_not_resign_without_a_successor(over: dict[str, object]) -> None:
    decision = decide(replace(FAILING, **over))  # type: ignore[arg-type]
    assert decision.state is State.ACTIVE
    assert decision.renews


def test_active_with_a_stalled_loop_stops_renewing_even_without_a_standby() -> None:
    decision = decide(active(wedged_checks=2, reasons=("a lane has stalled",), peers=()))
    assert decision.state is State.ACTIVE
    assert not decision.renews


def test_active_hands_over_on_a_failover_intent() -> None:
    decision = decide(active(failover=failover(), peers=ABLE))
    assert decision.state is State.DRAINING
    assert Drain(False) in decision.actions
    answer = next(action for action in decision.actions if isinstance(action, Answer))
    assert (answer.operation_id, answer.accepted) == ("op-1", True)


def test_active_drains_on_sigterm() -> None:
    decision = decide(active(stop="graceful"))
    assert decision.state is State.DRAINING
    assert decision.actions[0] == Drain(False)
    assert decision.renews
    assert decide(active(stop="fast")).actions[0] == Drain(True)


def test_active_resigns_when_its_operator_asks() -> None:
    decision = decide(active(resign=True))
    assert decision.state is State.DRAINING
    assert decision.actions == (Drain(False), Resign(None, decision.reason, True))


def test_draining_renews_until_nothing_is_in_flight() -> None:
    decision = decide(draining(state_for=299.0))
    assert (decision.state, decision.actions, decision.renews) == (State.DRAINING, (), True)


def test_draining_releases_the_lease_when_nothing_is_in_flight() -> None:
    assert decide(draining(idle=True)).actions == (Release(),)
    tried = draining(idle=True, releasing_for=1.0, guard_remaining=float("-inf"))
    assert decide(tried).state is State.DRAINING


@pytest.mark.parametrize(("stop", "state"), [("no", State.STANDBY), ("graceful", State.STOPPED)])
def test_draining_ends_when_the_lease_is_released(stop: str, state: State) -> None:
    done = draining(idle=True, releasing_for=1.0, released=True, stop=stop, guard_remaining=float("-inf"))
    assert decide(done).state is state


def test_draining_ends_when_the_store_is_unreachable_until_the_lease_has_expired() -> None:
    lost = draining(idle=True, releasing_for=20.1, stop="graceful", guard_remaining=float("-inf"))
    assert decide(lost).state is State.STOPPED


def test_draining_aborts_what_takes_too_long_and_ends_the_process_if_that_fails() -> None:
    assert decide(draining(state_for=300.1)).actions == (Abort(),)
    assert decide(draining(state_for=10.1, drain_fast=True)).actions == (Abort(),)
    assert decide(draining(state_for=301.0, aborted_for=9.9)).actions == ()
    assert decide(draining(state_for=311.0, aborted_for=10.1)).actions == (Exit(1),)
    brisk = replace(
        TIMINGS, ttl=10, deadline=7
    )  # where a lost lease leaves 3 s, one that is renewed leaves 10
    assert decide(replace(draining(state_for=309.0, aborted_for=9.0), timings=brisk)).actions == ()
    assert decide(replace(FENCED, idle=False, state_for=3.1, timings=brisk)).actions == (Exit(1),)


def test_a_fast_stop_speeds_up_a_graceful_drain() -> None:
    assert decide(draining(stop="fast")).actions == (Drain(True),)
    assert decide(draining(stop="fast", drain_fast=True)).actions == ()


@pytest.mark.parametrize("over", [{"guard_remaining": 0.0}, {"lease": seen()}])
def test_draining_is_fenced_like_an_active_one(over: dict[str, object]) -> None:
    decision = decide(replace(draining(), **over))  # type: ignore[arg-type]
    assert (decision.state, decision.actions) == (State.FENCED, (Abort(),))


FENCED = Observation(State.FENCED, 1.0, ME, TIMINGS, lease=seen(), aborted_for=1.0)


def test_fenced_waits_one_ttl() -> None:
    assert decide(replace(FENCED, state_for=29.9)).state is State.FENCED
    assert decide(replace(FENCED, state_for=30.0)).state is State.STANDBY


def test_fenced_ends_the_process_when_its_work_does_not_stop() -> None:
    assert decide(replace(FENCED, idle=False, state_for=9.9)).actions == ()
    assert decide(replace(FENCED, idle=False, state_for=10.1)).actions == (Exit(1),)


def test_fenced_stops_when_asked_to() -> None:
    assert decide(replace(FENCED, stop="graceful")).state is State.STOPPED


@pytest.mark.parametrize("state", [State.STANDBY, State.CANDIDATE])
def test_who_leads_nothing_stops_at_once(state: State) -> None:
    assert decide(replace(EXPIRED, state=state, stop="graceful")).state is State.STOPPED


def test_a_stop_while_acquiring_gives_the_lease_back() -> None:
    decision = decide(replace(ACQUIRING, guard_remaining=19.0, stop="graceful"))
    assert decision.state is State.DRAINING
    assert Begin() not in decision.actions


def test_without_an_election_a_stop_drains_and_ends() -> None:
    working = active(elects=False, lease=LeaseView(), guard_remaining=0.0)
    assert decide(working).state is State.ACTIVE
    assert decide(replace(working, stop="graceful")).state is State.DRAINING
    drained = draining(elects=False, lease=LeaseView(), guard_remaining=0.0, stop="graceful")
    assert decide(drained).state is State.DRAINING
    assert decide(replace(drained, idle=True)).state is State.STOPPED


def test_a_leader_that_lost_its_store_takes_its_own_lease_back() -> None:
    own = standby(lease=held_by_me())
    assert decide(own).state is State.ACQUIRING
    assert decide(replace(own, eligible=False)).state is State.STANDBY
    assert decide(replace(own, resigned=1.0)).state is State.STANDBY
    # Created by a write without a response: another agent may have led in between.
    assert decide(replace(own, owned=False)).state is State.STANDBY
