"""Evaluates a planned failover, for the leader and for the target. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from health.election.observation import Observation, Peer


@dataclass(frozen=True, slots=True)
class Accepted:
    """Hand over to `target`."""

    operation_id: str
    target: str
    fast: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Answer with the reason."""

    operation_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """Not meant for this agent, or no longer valid; `reason` is for the log."""

    reason: str


@dataclass(frozen=True, slots=True)
class Undecided:
    """The other agents' records have to be read first."""


Verdict = Accepted | Refused | Ignored | Undecided


def judge(o: Observation) -> Verdict | None:
    """The leader's verdict on the failover intent; None when there is none."""
    wanted = o.failover
    if wanted is None:
        return None
    if wanted.operation_id == o.answered:
        return Ignored(f"failover {wanted.operation_id} was already answered")
    epoch = o.lease.lease.epoch if o.lease.lease else None
    if wanted.target == o.me.agent_id and epoch is not None and wanted.epoch < epoch:
        return None  # the failover by which it became the leader
    if wanted.epoch != epoch or wanted.old_primary != o.me.agent_id:
        return Ignored(
            f"failover {wanted.operation_id} is stale: it was requested for {wanted.old_primary} at epoch "
            f"{wanted.epoch}, but {o.me.agent_id} leads at epoch {epoch}"
        )
    if wanted.target == o.me.agent_id:
        return Refused(wanted.operation_id, f"{o.me.agent_id} leads already")
    if o.peers is None:
        return Undecided()
    return _to_target(o, o.peers)


def _to_target(o: Observation, peers: tuple[Peer, ...]) -> Verdict:
    wanted = o.failover
    assert wanted is not None
    if wanted.target is None:
        chosen = best(peers)
        if chosen is None:
            return Refused(wanted.operation_id, f"no agent can take over: {_why_none(peers)}")
    else:
        chosen = next((peer for peer in peers if peer.agent_id == wanted.target), None)
        if chosen is None:
            return Refused(wanted.operation_id, f"{wanted.target} is not a known agent")
        if not chosen.able:
            return Refused(wanted.operation_id, f"{chosen.agent_id} can't take over: {chosen.why_not}")
    by = f" by {wanted.requested_by}" if wanted.requested_by else ""
    why = f": {wanted.reason}" if wanted.reason else ""
    return Accepted(
        wanted.operation_id,
        chosen.agent_id,
        wanted.mode == "fast",
        f"failover {wanted.operation_id} to {chosen.agent_id} requested{by}{why}",
    )


def targets_me(o: Observation) -> bool:
    """Whether a failover of the current lease has this agent as its target."""
    wanted, lease = o.failover, o.lease.lease
    return (
        wanted is not None
        and lease is not None
        and wanted.target == o.me.agent_id
        and wanted.epoch == lease.epoch
    )


def names_me(o: Observation) -> bool:
    """Whether an administrator wants this standby to take the current lease."""
    return targets_me(o) and o.failover is not None and o.failover.operation_id != o.answered


def best(peers: Iterable[Peer]) -> Peer | None:
    """The able peer of the lowest rank; of several, the first by name."""
    return min((p for p in peers if p.able), key=lambda p: (p.rank, p.agent_id), default=None)


def _why_none(peers: tuple[Peer, ...]) -> str:
    return "; ".join(f"{p.agent_id}: {p.why_not}" for p in peers) or "there is no other agent"
