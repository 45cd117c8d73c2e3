"""The leader election: a pure function of one agent's observation. No I/O, clock, threads or randomness.

The state table is in docs/explanation/availability.md; each function here is the rows of one state. Every
decision gives its reason as one sentence, which stays the same as long as nothing changes.
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
    Observation,
    Read,
    Release,
    Resign,
    TakeoverKind,
)
from health.election.roles import State
from health.election.self_checks import FAILED_CHECKS
from health.election.timings import ABORT_SECONDS

DUPLICATE_CHANGES = 2
"""A dead predecessor's last write may still arrive; a second one is from a live agent."""
UNREAD = "starting: the lease has not been read yet"
"""Not a failure of the store: the first read is still in progress."""


def decide(o: Observation) -> Decision:
    """The next state, the actions that lead to it, and the reason."""
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
        return Decision(State.STOPPED, "stopped on request; it was not the leader")
    lease = o.lease.lease
    if o.reachable and lease is not None and lease.state == "held" and lease.holder == o.me.agent_id:
        own = _held_under_own_id(o)
        if own is not None:
            return own
    availability = lease_availability(o)
    if availability.free:
        return Decision(State.CANDIDATE, availability.reason, at_once=availability.at_once)
    wanted = o.failover
    if wanted is not None and names_me(o) and not o.eligible:
        why = _not_eligible(o)
        return Decision(State.STANDBY, why, (Answer(wanted.operation_id, False, why),))
    return Decision(State.STANDBY, availability.reason)


def _held_under_own_id(o: Observation) -> Decision | None:
    """The lease is held under this agent's id, while this process is a standby."""
    lease = o.lease.lease
    assert lease is not None
    mine = lease.instance == o.me.instance and o.owned
    # The same state directory and host: this process has the lock that the predecessor had, so that one is
    # dead. A lock in another directory, or another host's lock on a shared one, proves nothing.
    dead = lease.instance in o.predecessors and lease.host == o.me.host
    if mine or dead:
        if o.resigned > 0:
            return Decision(State.STANDBY, "resigned: waits until its own lease has expired")
        if not o.eligible:
            return Decision(State.STANDBY, f"holds the lease, but {_not_eligible(o)}")
        why = "still holds the lease" if mine else "its predecessor on this host died while it held the lease"
        take = Acquire(f"{o.me.agent_id}: {why}", "predecessor")
        return Decision(State.ACQUIRING, f"{why}: reacquires it at once", (take,))
    if o.lease.changes >= DUPLICATE_CHANGES and lease.instance != o.me.instance:
        return Decision(
            State.STOPPED,
            f"another agent with the id {o.me.agent_id} leads, on {lease.host}: agent.id must be unique",
            (Exit(EXIT_CONFIGURATION),),
        )
    return None


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether this agent may acquire the lease, and why or why not."""

    free: bool
    reason: str
    at_once: bool = False
    kind: TakeoverKind = "expired"


def lease_availability(o: Observation) -> Availability:
    """Whether this standby may try to acquire the lease."""
    if not o.reachable:
        return Availability(False, "the store can't be reached: no takeover without a current lease")
    match o.lease.kind:
        case "unread":
            return Availability(False, UNREAD)
        case "broken":
            return Availability(
                False, f"the lease is not valid, an operator must delete it: {o.lease.detail}"
            )
        case "missing":
            return _missing(o)
    lease = o.lease.lease
    assert lease is not None
    match lease.state:
        case "held":
            return _held(o)
        case "handoff" if lease.target == o.me.agent_id:
            if not o.eligible:
                return Availability(False, f"the lease was handed to this agent, but {_not_eligible(o)}")
            return Availability(True, f"{lease.holder} handed over the lease", at_once=True, kind="handoff")
        case "handoff" if o.lease.unchanged_for < o.timings.handoff:
            return Availability(False, f"{lease.holder} handed the lease to {lease.target}")
        case "released" if lease.target not in (None, o.me.agent_id):
            if o.lease.unchanged_for < o.timings.handoff:
                return Availability(False, f"the lease is reserved for {lease.target}")
    return _released(o)


def _missing(o: Observation) -> Availability:
    barred = o.pause if o.eligible else _not_eligible(o)
    if barred:
        return Availability(False, f"the lease is missing, but {barred}")
    if o.lease.unchanged_for < o.timings.ttl:
        return Availability(False, "the lease is missing, but an agent may still lead: waits one TTL")
    return Availability(True, "the lease has been missing for one TTL: creates it", kind="first")


def _released(o: Observation) -> Availability:
    lease = o.lease.lease
    assert lease is not None
    how = "released" if lease.state == "released" else f"handed to {lease.target}, which did not acquire it"
    if not o.eligible:
        return Availability(False, f"the lease is {how}, but {_not_eligible(o)}")
    if not names_me(o):
        if o.pause is not None:
            return Availability(False, f"the lease is {how}, but {o.pause}")
        # Its target had its time, and so had every other agent.
        unwanted = lease.state == "handoff" and o.lease.unchanged_for >= 2 * o.timings.handoff
        if o.resigned > 0 and not unwanted:
            return Availability(False, f"the lease is {how}, but this agent resigned recently")
    kind: TakeoverKind = "released" if lease.epoch > 0 else "first"
    return Availability(True, f"the lease is {how}", at_once=True, kind=kind)


def _held(o: Observation) -> Availability:
    lease = o.lease.lease
    assert lease is not None
    who = f"{lease.holder} (epoch {lease.epoch})"
    if o.lease.unchanged_for < o.timings.ttl:
        unreachable = lease.health_url and o.failed_polls >= o.timings.poll_failures
        but = ", but it does not answer this agent's health polls" if unreachable else ""
        return Availability(False, f"{who} leads{but}")
    gone = f"the lease of {who} has expired"
    if not o.eligible:
        return Availability(False, f"{gone}, but {_not_eligible(o)}")
    if names_me(o):
        return Availability(True, f"{gone}, and an administrator named {o.me.agent_id}", at_once=True)
    if o.pause is not None:
        return Availability(False, f"{gone}, but {o.pause}")
    if o.uptime < o.timings.ttl:
        return Availability(False, f"{gone}, but this agent started less than one TTL ago")
    if o.hold_down > 0:
        return Availability(False, f"{gone}, but there were recent takeovers: waits for the hold-down")
    if lease.holder == o.me.agent_id or o.failed_polls >= o.timings.poll_failures:
        return Availability(True, f"{gone}, and it does not answer health polls")
    if o.lease.unchanged_for - o.timings.ttl > o.timings.veto:
        return Availability(True, f"{gone} long ago, although it answers health polls")
    return Availability(
        False, f"{gone}, but fewer than {o.timings.poll_failures} health polls in a row have failed"
    )


def _not_eligible(o: Observation) -> str:
    return "this agent is not eligible: " + ("; ".join(o.reasons) or "no self-check has run yet")


def _candidate(o: Observation) -> Decision:
    if o.stop != "no":
        return Decision(State.STOPPED, "stopped on request; it was not the leader")
    if o.gap:
        return Decision(State.STANDBY, "the loop stalled or the clock jumped: restarts the observation")
    availability = lease_availability(o)
    if not availability.free:
        return Decision(State.STANDBY, availability.reason)
    if o.state_for < o.candidate_wait:
        return Decision(State.CANDIDATE, availability.reason)
    if o.candidate_wait > 0 and not o.read_since_wait:
        return Decision(State.CANDIDATE, availability.reason, (Read(),))
    return Decision(State.ACQUIRING, availability.reason, (Acquire(availability.reason, availability.kind),))


def _acquiring(o: Observation) -> Decision:
    match o.outcome:
        case "pending":
            return Decision(State.ACQUIRING, "is acquiring the lease")
        case "won" if o.guard_remaining > 0:
            if o.stop != "no":
                # The work never began: it is idle, and the lease is released at once.
                return Decision(State.DRAINING, "asked to stop", (Resign(None, "asked to stop", False),))
            return Decision(State.ACTIVE, "acquired the lease", (Begin(),), renews=True)
        case "won":
            return Decision(State.STANDBY, "the store confirmed the lease too late to rely on it")
        case "lost":
            return Decision(State.STANDBY, "another agent acquired the lease first")
        case _:
            return Decision(State.STANDBY, "it is unknown whether the store accepted the lease")


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
        return _leave(o, None, "resigns: requested by its operator", fast=False)
    if o.wedged_checks >= FAILED_CHECKS:
        return Decision(State.ACTIVE, f"leads, but stopped renewing the lease: {'; '.join(o.reasons)}")
    verdict = judge(o)
    match verdict:
        case Accepted():
            accepted = Answer(verdict.operation_id, True, verdict.reason)
            return _leave(o, verdict.target, verdict.reason, fast=verdict.fast, also=(accepted,))
        case Refused():
            refused = Answer(verdict.operation_id, False, verdict.reason)
            return Decision(
                State.ACTIVE, f"leads; failover refused: {verdict.reason}", (refused,), renews=True
            )
    if o.failed_checks >= FAILED_CHECKS:
        return _checks_failed(o)
    if isinstance(verdict, Ignored):
        return Decision(State.ACTIVE, f"leads; {verdict.reason}", renews=True)
    return Decision(State.ACTIVE, "leads", renews=True)


def _checks_failed(o: Observation) -> Decision:
    """The leader's own checks fail: hand over if an eligible standby exists."""
    problem = "; ".join(o.reasons)
    if o.pause is not None:
        return Decision(State.ACTIVE, f"leads despite failed checks ({problem}): {o.pause}", renews=True)
    successor = best(o.peers or ())
    if successor is None:
        return Decision(
            State.ACTIVE, f"leads despite failed checks ({problem}): no eligible standby", renews=True
        )
    # Fast: an agent that can't work can't finish its clips either.
    return _leave(o, successor.agent_id, f"resigns for {successor.agent_id}: {problem}", fast=True)


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
        why = f"lost the lease to {lease.holder}: stops all work"
        return Decision(State.FENCED, why, (Abort(),))
    if o.guard_remaining <= 0:
        return Decision(
            State.FENCED,
            f"could not renew the lease for {o.timings.deadline:g} s: stops all work",
            (Abort(),),
        )
    return None


def _draining(o: Observation) -> Decision:
    after = State.STOPPED if o.stop != "no" else State.STANDBY
    if o.released or (o.idle and not o.elects):
        return Decision(after, "drained, and the lease is released")
    if o.releasing_for is not None:
        if o.releasing_for > o.timings.deadline:
            return Decision(after, "the lease could not be released, but it has expired")
        return Decision(State.DRAINING, "is releasing the lease", (Release(),))
    if o.elects:
        fenced = _fence(o)
        if fenced is not None:
            return fenced
    if o.idle:
        return Decision(State.DRAINING, "is releasing the lease", (Release(),))
    return _still_working(o)


def _still_working(o: Observation) -> Decision:
    renews = o.elects and o.wedged_checks < FAILED_CHECKS
    if o.aborted_for is not None:
        # The lease is still renewed, so there is more time than after it was lost.
        return _aborting(o, State.DRAINING, o.aborted_for, ABORT_SECONDS, renews=renews)
    wanted = o.failover
    if o.stop == "fast" and not o.drain_fast:
        return Decision(
            State.DRAINING, "asked to stop without finishing its clips", (Drain(True),), renews=renews
        )
    if o.state_for > (o.timings.abort if o.drain_fast else o.timings.drain):
        return Decision(
            State.DRAINING, "the drain timed out: gives unfinished clips back", (Abort(),), renews
        )
    if wanted is not None and o.elects and wanted.operation_id != o.answered and _for_this_epoch(o):
        busy = Answer(wanted.operation_id, False, f"{o.me.agent_id} is resigning already")
        return Decision(State.DRAINING, "finishes the clips in flight", (busy,), renews)
    return Decision(State.DRAINING, "finishes the clips in flight", (), renews)


def _for_this_epoch(o: Observation) -> bool:
    lease = o.lease.lease
    return lease is not None and o.failover is not None and o.failover.epoch == lease.epoch


def _fenced(o: Observation) -> Decision:
    if not o.idle:
        return _aborting(o, State.FENCED, o.state_for, o.timings.abort)
    if o.stop != "no":
        return Decision(State.STOPPED, "stopped on request; it is no longer the leader")
    if o.state_for < o.timings.ttl:
        return Decision(State.FENCED, "all work has stopped: waits one TTL")
    return Decision(State.STANDBY, "waited one TTL after losing the lease")


def _aborting(o: Observation, state: State, since: float, limit: float, *, renews: bool = False) -> Decision:
    if since > limit:
        # A process that can't stop its work must not outlive its lease.
        return Decision(state, "the work did not stop in time: exits", (Exit(EXIT_FAILED),))
    return Decision(state, "is stopping its work", (), renews)
