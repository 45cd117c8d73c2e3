"""The state of a planned failover, from the lease and the agents' documents. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from api.domain.cluster.snapshot import Snapshot
from clipping.contract.choices import FailoverMode
from clipping.contract.cluster import FailoverIntent, IntentAnswer
from clipping.contract.results import FINISHED, FailoverState

UNPUBLISHED = timedelta(seconds=30)
"""An operation is stored before its intent is published, which takes seconds. If there is no intent after so
long, there will be none: the instance that wrote the operation died."""


@dataclass(frozen=True)
class Operation:
    """A planned failover as requested, and its state."""

    operation_id: str
    cluster: str
    requested_agent: str
    """The agent in the route: the leader, or the agent that takes over."""
    old_primary: str
    target: str
    old_epoch: int
    """The lease's epoch at the time of the request. Once another epoch leads, the intent is void."""
    mode: FailoverMode
    reason: str
    requested_by: str
    created_at: datetime
    expires_at: datetime
    state: FailoverState = "pending"
    new_primary: str | None = None
    epoch: int | None = None
    switched_at: datetime | None = None
    error: str | None = None

    @property
    def finished(self) -> bool:
        return self.state in FINISHED

    def intent(self) -> FailoverIntent:
        """The intent for the agents."""
        return FailoverIntent(
            operation_id=self.operation_id,
            epoch=self.old_epoch,
            old_primary=self.old_primary,
            target=self.target,
            mode=self.mode,
            reason=self.reason,
            requested_by=self.requested_by,
            requested_at=self.created_at,
        )


def follow(operation: Operation, snapshot: Snapshot, *, now: datetime) -> Operation:
    """The operation with its current state. A finished one does not change any more.

    `now` is the API's own time, by which `expires_at` was set.
    """
    if operation.finished:
        return operation
    seen = snapshot.lease
    if seen is not None and seen.lease.epoch > operation.old_epoch:
        return _switched(operation, seen.lease.holder, seen.lease.epoch, seen.written_at)
    refusal = _refusal(operation, snapshot)
    if refusal is not None:
        return replace(operation, state="failed", error=refusal)
    if now >= operation.expires_at:
        return replace(operation, state="expired", error=_stuck(operation, snapshot))
    if not is_requested(operation, snapshot):
        if now - operation.created_at < UNPUBLISHED:
            return operation
        return replace(
            operation, state="failed", error="the agents' intent was never written, or was replaced"
        )
    if seen is not None and seen.lease.state != "held":
        return replace(operation, state="released")
    return replace(operation, state="draining" if _drains(operation, snapshot) else "pending")


def is_requested(operation: Operation, snapshot: Snapshot) -> bool:
    """Whether the agents' intent requests it."""
    intent = snapshot.intent.failover
    return intent is not None and intent.operation_id == operation.operation_id


def _switched(operation: Operation, leader: str, epoch: int, at: datetime) -> Operation:
    switched = replace(operation, new_primary=leader, epoch=epoch, switched_at=at)
    if leader == operation.target:
        return replace(switched, state="done")
    return replace(switched, state="failed", error=f"{leader} took over instead of {operation.target}")


def _answer(operation: Operation, snapshot: Snapshot, agent_id: str) -> IntentAnswer | None:
    agent = snapshot.agent(agent_id)
    answer = agent.record.intent if agent and agent.record else None
    return answer if answer and answer.operation_id == operation.operation_id else None


def _refusal(operation: Operation, snapshot: Snapshot) -> str | None:
    for agent_id in (operation.old_primary, operation.target):
        answer = _answer(operation, snapshot, agent_id)
        if answer is not None and not answer.accepted:
            return f"{agent_id} refused: {answer.reason or 'no reason given'}"
    return None


def _drains(operation: Operation, snapshot: Snapshot) -> bool:
    if snapshot.leader != operation.old_primary:
        return False
    agent = snapshot.agent(operation.old_primary)
    says_so = agent is not None and agent.record is not None and agent.record.state == "draining"
    return says_so or _answer(operation, snapshot, operation.old_primary) is not None


def _stuck(operation: Operation, snapshot: Snapshot) -> str:
    if snapshot.lease is None:
        return "timed out: there is no lease"
    if snapshot.leader is None:
        return f"timed out: there is no leader, and {operation.target} did not take over"
    return f"timed out: {snapshot.leader} still leads"
