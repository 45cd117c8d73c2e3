"""Who leads: a pure function of what one agent sees. No I/O, no clock, no threads, no randomness.

The state table is in docs/availability.md; each function here is the rows of one state. Every decision has
one sentence that says why, worded so that it stays the same while nothing changes.
"""

from __future__ import annotations

from dataclasses import dataclass

from clipping.exits import EXIT_CONFIGURATION, EXIT_FAILED
from health.election.intents import Accepted, Ignored, Refused, best, judge, names_me
from health.election.observation import (
    Abort,
    Acquire,
    Action,
    Answer,
    Begin,
    Decision,
    Drain,
    Exit,
    GiveUp,
    Look,
    Observation,
    Resign,
    TakeoverKind,
)
from health.election.roles import State
from health.election.timings import ABORT_SECONDS
from health.election.vitals import FAILED_CHECKS

DUPLICATE_CHANGES = 2
"""A dead predecessor's last write may still arrive; a second one is somebody alive."""
UNREAD = "started: has not read the lease yet"
"""Not a failure of the store: the first read is still under way."""


def decide(o: Observation) -> Decision:
    """The next state, what to do on the way, and why."""
    match o.state:
        case State.INIT:
            return _init(o)
        case State.STANDBY:
            return _standby(o)
        case State.CANDIDATE:
            return _candidate(o)
        case State.ACQUIRING:
            return _acquiring(o)
        case State.ACTIVE:
            return _active(o)
        case State.DRAINING:
            return _draining(o)
        case State.FENCED:
            return _fenced(o)
        case State.STOPPED:
            return Decision(State.STOPPED, "stopped")


def _init(o: Observation) -> Decision:
    if o.elects:
        return Decision(State.STANDBY, UNREAD)
    return Decision(State.ACTIVE, "works without an election (ha.mode)", (Begin(),))


def _standby(o: Observation) -> Decision:
    if o.stop != "no":
        return Decision(State.STOPPED, "asked to stop; it led nothing")
    lease = o.lease.lease
    if o.reachable and lease is not None and lease.state == "held" and lease.holder == o.me.agent_id:
        own = _held_under_my_name(o)
        if own is not None:
            return own
    opening = find_opening(o)
    if opening.free:
        return Decision(State.CANDIDATE, opening.reason, at_once=opening.at_once)
    wanted = o.failover
    if wanted is not None and names_me(o) and not o.eligible:
        why = _not_eligible(o)
        return Decision(State.STANDBY, why, (Answer(wanted.operation_id, False, why),))
    return Decision(State.STANDBY, opening.reason)


def _held_under_my_name(o: Observation) -> Decision | None:
    """The lease is held by an agent of this id, which does not lead in this process."""
    lease = o.lease.lease
    assert lease is not None
    mine = lease.instance == o.me.instance and o.owned
    # The same state directory and host: its lock, which is ours now, was the predecessor's. Another
    # directory would prove nothing, and so would another host's lock on a shared one.
    dead = lease.instance in o.predecessors and lease.host == o.me.host
    if mine or dead:
        if o.resigned > 0:
            return Decision(State.STANDBY, "gave the lead up: leaves the lease to run out")
        if not o.eligible:
            return Decision(State.STANDBY, f"the lease is its own, but {_not_eligible(o)}")
        why = "holds the lease still" if mine else "its predecessor on this machine died with the lease"
        take = Acquire(f"{o.me.agent_id}: {why}", "predecessor")
        return Decision(State.ACQUIRING, f"{why}: takes it at once", (take,))
    if o.lease.changes >= DUPLICATE_CHANGES and lease.instance != o.me.instance:
        return Decision(
            State.STOPPED,
            f"another agent with the id {o.me.agent_id} leads, on {lease.host}: agent.id must be unique",
            (Exit(EXIT_CONFIGURATION),),
        )
    return None


@dataclass(frozen=True, slots=True)
class Opening:
    """Whether the lease is there to be taken by this agent, and why (not)."""

    free: bool
    reason: str
    at_once: bool = False
    kind: TakeoverKind = "expired"


def find_opening(o: Observation) -> Opening:
    """Whether this standby may try for the lease."""
    if not o.reachable:
        return Opening(False, "the store can't be reached: never takes over blindly")
    match o.lease.kind:
        case "unread":
            return Opening(False, UNREAD)
        case "broken":
            return Opening(False, f"the lease can't be understood, an operator has to look: {o.lease.detail}")
        case "missing":
            return _missing(o)
    lease = o.lease.lease
    assert lease is not None
    match lease.state:
        case "held":
            return _held(o)
        case "handoff" if lease.target == o.me.agent_id:
            if not o.eligible:
                return Opening(False, f"the lease was handed to it, but {_not_eligible(o)}")
            return Opening(True, f"{lease.holder} handed the lease over", at_once=True, kind="handoff")
        case "handoff" if o.lease.unchanged_for < o.timings.handoff:
            return Opening(False, f"{lease.holder} handed the lease to {lease.target}")
        case "released" if lease.target not in (None, o.me.agent_id):
            if o.lease.unchanged_for < o.timings.handoff:
                return Opening(False, f"{lease.holder} left the lease to {lease.target}")
    return _released(o)


def _missing(o: Observation) -> Opening:
    barred = o.pause if o.eligible else _not_eligible(o)
    if barred:
        return Opening(False, f"there is no lease, but {barred}")
    if o.lease.unchanged_for < o.timings.ttl:
        return Opening(False, "there is no lease, which is not to say that nobody leads: waits one TTL")
    return Opening(True, "there has been no lease for a TTL: makes a new one", kind="first")


def _released(o: Observation) -> Opening:
    lease = o.lease.lease
    assert lease is not None
    left = "released" if lease.state == "released" else f"left to {lease.target}, which did not take it"
    if not o.eligible:
        return Opening(False, f"the lease is {left}, but {_not_eligible(o)}")
    if not names_me(o):
        if o.pause is not None:
            return Opening(False, f"the lease is {left}, but {o.pause}")
        # Whom it was left to had its time, and so had everybody else.
        unwanted = lease.state == "handoff" and o.lease.unchanged_for >= 2 * o.timings.handoff
        if o.resigned > 0 and not unwanted:
            return Opening(False, f"the lease is {left}, but it gave the lead up itself a moment ago")
    kind: TakeoverKind = "released" if lease.epoch > 0 else "first"
    return Opening(True, f"the lease is {left}", at_once=True, kind=kind)


def _held(o: Observation) -> Opening:
    lease = o.lease.lease
    assert lease is not None
    who = f"{lease.holder} (epoch {lease.epoch})"
    if o.lease.unchanged_for < o.timings.ttl:
        unseen = lease.health_url and o.failed_polls >= o.timings.poll_failures
        return Opening(False, f"{who} leads, though it does not answer here" if unseen else f"{who} leads")
    gone = f"the lease of {who} has expired"
    if not o.eligible:
        return Opening(False, f"{gone}, but {_not_eligible(o)}")
    if names_me(o):
        return Opening(True, f"{gone}, and an administrator wants {o.me.agent_id} to lead", at_once=True)
    if o.pause is not None:
        return Opening(False, f"{gone}, but {o.pause}")
    if o.uptime < o.timings.ttl:
        return Opening(False, f"{gone}, but this agent has only just started")
    if o.hold_down > 0:
        return Opening(False, f"{gone}, but there were takeovers only just now: waits for things to settle")
    if lease.holder == o.me.agent_id or o.failed_polls >= o.timings.poll_failures:
        return Opening(True, f"{gone}, and it does not answer")
    if o.lease.unchanged_for - o.timings.ttl > o.timings.veto:
        return Opening(True, f"{gone} long ago, even though it answers")
    return Opening(False, f"{gone}, but it has not failed {o.timings.poll_failures} polls in a row yet")


def _not_eligible(o: Observation) -> str:
    return "it is not eligible: " + ("; ".join(o.reasons) or "it has not looked at itself yet")


def _candidate(o: Observation) -> Decision:
    if o.stop != "no":
        return Decision(State.STOPPED, "asked to stop; it led nothing")
    if o.gap:
        return Decision(State.STANDBY, "the loop stood still or the clock jumped: observes anew")
    opening = find_opening(o)
    if not opening.free:
        return Decision(State.STANDBY, opening.reason)
    if o.state_for < o.candidate_wait:
        return Decision(State.CANDIDATE, opening.reason)
    if o.candidate_wait > 0 and not o.read_since_wait:
        return Decision(State.CANDIDATE, opening.reason, (Look(),))
    return Decision(State.ACQUIRING, opening.reason, (Acquire(opening.reason, opening.kind),))


def _acquiring(o: Observation) -> Decision:
    match o.outcome:
        case "pending":
            return Decision(State.ACQUIRING, "asks the store for the lease")
        case "won" if o.guard_remaining > 0:
            if o.stop != "no":
                # Never opened: it is idle, and the lease is given back at once.
                return Decision(State.DRAINING, "asked to stop", (Resign(None, "asked to stop", False),))
            return Decision(State.ACTIVE, "has the lease", (Begin(),), renews=True)
        case "won":
            return Decision(State.STANDBY, "the store's answer came too late to trust it")
        case "lost":
            return Decision(State.STANDBY, "another agent was quicker")
        case _:
            return Decision(State.STANDBY, "could not find out whether the store took the lease")


def _active(o: Observation) -> Decision:
    if o.stop != "no":
        fast = o.stop == "fast"
        return _leave(o, None, "asked to stop", fast=fast, hold=False)
    if not o.elects:
        return Decision(State.ACTIVE, "works without an election (ha.mode)")
    fenced = _fence(o)
    if fenced is not None:
        return fenced
    if o.resign:
        return _leave(o, None, "told to resign by its operator", fast=False)
    if o.wedged_checks >= FAILED_CHECKS:
        return Decision(State.ACTIVE, f"renews no longer, as it stands still: {'; '.join(o.reasons)}")
    verdict = judge(o)
    match verdict:
        case Accepted():
            accepted = Answer(verdict.operation_id, True, verdict.reason)
            return _leave(o, verdict.target, verdict.reason, fast=verdict.fast, also=(accepted,))
        case Refused():
            refused = Answer(verdict.operation_id, False, verdict.reason)
            return Decision(State.ACTIVE, f"leads; refused: {verdict.reason}", (refused,), renews=True)
    if o.failed_checks >= FAILED_CHECKS:
        return _unwell(o)
    if isinstance(verdict, Ignored):
        return Decision(State.ACTIVE, f"leads; {verdict.reason}", renews=True)
    return Decision(State.ACTIVE, "leads", renews=True)


def _unwell(o: Observation) -> Decision:
    """The holder's own checks fail: somebody better may be there."""
    problem = "; ".join(o.reasons)
    if o.pause is not None:
        return Decision(State.ACTIVE, f"leads on, {problem}, as {o.pause}", renews=True)
    better = best(o.peers or ())
    if better is None:
        return Decision(State.ACTIVE, f"leads on, {problem}, as no other agent is better", renews=True)
    # Fast: what can't work can't finish either.
    return _leave(o, better.agent_id, f"resigns for {better.agent_id}: {problem}", fast=True)


def _leave(
    o: Observation,
    target: str | None,
    reason: str,
    *,
    fast: bool,
    hold: bool = True,
    also: tuple[Action, ...] = (),
) -> Decision:
    actions = (Drain(fast), Resign(target, reason, hold), *also)
    return Decision(State.DRAINING, reason, actions, renews=o.elects)


def _fence(o: Observation) -> Decision | None:
    lease = o.lease.lease
    if lease is not None and (lease.instance != o.me.instance or lease.state != "held"):
        why = f"the lease is not its own any more, but {lease.holder}'s: stops everything"
        return Decision(State.FENCED, why, (Abort(),))
    if o.guard_remaining <= 0:
        return Decision(
            State.FENCED,
            f"could not renew the lease for {o.timings.deadline:g} s: stops everything",
            (Abort(),),
        )
    return None


def _draining(o: Observation) -> Decision:
    after = State.STOPPED if o.stop != "no" else State.STANDBY
    if o.given_up or (o.idle and not o.elects):
        return Decision(after, "the work is finished or given back, the lease is given up")
    if o.giving_up_for is not None:
        if o.giving_up_for > o.timings.deadline:
            return Decision(after, "the lease could not be given up: it has run out instead")
        return Decision(State.DRAINING, "gives the lease up", (GiveUp(),))
    if o.elects:
        fenced = _fence(o)
        if fenced is not None:
            return fenced
    if o.idle:
        return Decision(State.DRAINING, "gives the lease up", (GiveUp(),))
    return _still_working(o)


def _still_working(o: Observation) -> Decision:
    renews = o.elects and o.wedged_checks < FAILED_CHECKS
    if o.aborted_for is not None:
        # The lease is renewed meanwhile: there is no hurry as there is when it is lost.
        return _aborting(o, State.DRAINING, o.aborted_for, ABORT_SECONDS, renews=renews)
    wanted = o.failover
    if o.stop == "fast" and not o.drain_fast:
        return Decision(State.DRAINING, "asked to stop at once", (Drain(True),), renews=renews)
    if o.state_for > (o.timings.abort if o.drain_fast else o.timings.drain):
        return Decision(State.DRAINING, "the drain took too long: gives the work back", (Abort(),), renews)
    if wanted is not None and o.elects and wanted.operation_id != o.answered and _for_this_epoch(o):
        busy = Answer(wanted.operation_id, False, f"{o.me.agent_id} is giving the lead up already")
        return Decision(State.DRAINING, "finishes what is in hand", (busy,), renews)
    return Decision(State.DRAINING, "finishes what is in hand", (), renews)


def _for_this_epoch(o: Observation) -> bool:
    lease = o.lease.lease
    return lease is not None and o.failover is not None and o.failover.epoch == lease.epoch


def _fenced(o: Observation) -> Decision:
    if not o.idle:
        return _aborting(o, State.FENCED, o.state_for, o.timings.abort)
    if o.stop != "no":
        return Decision(State.STOPPED, "asked to stop; it leads no longer")
    if o.state_for < o.timings.ttl:
        return Decision(State.FENCED, "stopped its work; cools down for one TTL")
    return Decision(State.STANDBY, "has cooled down")


def _aborting(o: Observation, state: State, since: float, limit: float, *, renews: bool = False) -> Decision:
    if since > limit:
        # A process that can't stop its work must not outlive its lease.
        return Decision(state, "its work does not stop: ends the process", (Exit(EXIT_FAILED),))
    return Decision(state, "stops its work", (), renews)
