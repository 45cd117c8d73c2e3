"""Where a member is in the state table, as a value: every change returns a new one. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from clipping.contract.cluster import IntentAnswer
from health.election.observation import (
    Abort,
    Acquire,
    Action,
    Answer,
    Drain,
    Exit,
    Release,
    Resign,
    TakeoverKind,
)
from health.election.roles import State
from health.election.timings import RESIGNED_SECONDS, Timings

BUSY_SECONDS = 0.2
"""How often it is checked whether the work has ended."""
NEVER = float("-inf")


@dataclass(frozen=True, slots=True)
class Progress:
    """Times are on the monotonic clock."""

    since: float
    """When the state was entered."""
    state: State = State.INIT
    reason: str = ""
    """Why it is in this state, as one sentence."""
    candidate_wait: float = 0.0
    """How long a candidate waits before it tries for the lease, in seconds."""
    takeover: TakeoverKind = "first"
    """How the lease was taken last."""
    streams_open: bool = False
    """Whether the work accepts new clips."""
    resignation: Resign | None = None
    """While draining: to whom the lease goes, and why."""
    drain_fast: bool = False
    """How the last drain was ordered."""
    aborted_at: float | None = None
    releasing_since: float | None = None
    """Of the first attempt to release the lease."""
    released: bool = False
    """The store has the release."""
    resigned_until: float = NEVER
    """Until when a free lease is left to the others."""
    answer: IntentAnswer | None = None
    """To the newest failover intent."""
    exit_code: int | None = None

    @property
    def answered(self) -> str | None:
        """The operation that was answered last."""
        return self.answer.operation_id if self.answer else None

    @property
    def release(self) -> Resign | None:
        """To whom the lease is being released now, and why; None while it is not."""
        return self.resignation if self.releasing_since is not None else None

    @property
    def keeps_lease(self) -> bool:
        """Whether a confirmed write extends the lease: not while it is being released, or not wanted."""
        keeping = self.state in (State.ACQUIRING, State.ACTIVE, State.DRAINING)
        return keeping and self.releasing_since is None

    def enter(self, state: State, now: float, *, candidate_wait: float) -> Progress:
        """After a change of state."""
        entered = replace(self, state=state, since=now, candidate_wait=candidate_wait)
        if self.state is State.DRAINING:
            if self.resignation is not None and self.resignation.hold:
                # From now and not from the order: the drain between them may have taken minutes.
                entered = entered.hold_back(now)
            entered = replace(entered, resignation=None)
        if state in (State.STANDBY, State.ACTIVE):
            entered = replace(entered, aborted_at=None, releasing_since=None, released=False)
        return entered

    def hold_back(self, now: float) -> Progress:
        """After a resignation: leave a free lease to the others for a while."""
        return replace(self, resigned_until=now + RESIGNED_SECONDS)

    def confirm_release(self) -> Progress:
        """The store has a release. Ignored after the drain has ended."""
        return replace(self, released=self.releasing_since is not None)

    def after(self, action: Action, now: float) -> Progress:
        """After an action of the newest decision."""
        match action:
            case Acquire(kind=kind):
                return replace(self, takeover=kind)
            case Drain(fast):
                return replace(self, drain_fast=fast, streams_open=False)
            case Abort():
                return replace(self, aborted_at=now, streams_open=False)
            case Resign():
                return replace(self, resignation=action)
            case Release() if self.releasing_since is None:
                return replace(self, releasing_since=now)
            case Answer(operation_id, accepted, reason):
                answer = IntentAnswer(operation_id=operation_id, accepted=accepted, reason=reason)
                return replace(self, answer=answer)
            case Exit(code):
                return replace(self, exit_code=code)
            case _:
                return self

    def due(self, now: float, *, timings: Timings, guard_remaining: float | None) -> float:
        """When the next step is needed if no call ends until then. `guard_remaining` None: no election."""
        due = [now + timings.tick]
        if self.state in (State.ACTIVE, State.DRAINING) and guard_remaining is not None:
            due.append(now + max(0.0, guard_remaining))
        if self.state is State.CANDIDATE:
            due.append(self.since + self.candidate_wait)
        if self.state is State.FENCED:
            due.append(self.since + timings.ttl)
        if self.state in (State.DRAINING, State.FENCED):
            due.append(now + BUSY_SECONDS)
        return min(due)
