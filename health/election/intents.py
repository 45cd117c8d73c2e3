"""What a planned failover means for the agent that leads, and for the one that is to. Pure."""

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
    """Say why not."""

    operation_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """Not for this agent, or not any more; `reason` is for the log."""

    reason: str


@dataclass(frozen=True, slots=True)
class Undecided:
    """The other agents' documents have to be read first."""


Verdict = Accepted | Refused | Ignored | Undecided


def judge(o: Observation) -> Verdict | None:
    """What the holder makes of the failover intent; None when there is none."""
    wanted = o.failover
    if wanted is None:
        return None
    if wanted.operation_id == o.answered:
        return Ignored(f"failover {wanted.operation_id} is answered already")
    epoch = o.lease.lease.epoch if o.lease.lease else None
    if wanted.target == o.me.agent_id and epoch is not None and wanted.epoch < epoch:
        return None  # that is how it came to lead
    if wanted.epoch != epoch or wanted.old_primary != o.me.agent_id:
        return Ignored(
            f"failover {wanted.operation_id} is stale: it was meant for {wanted.old_primary} at epoch "
            f"{wanted.epoch}, and {o.me.agent_id} leads at epoch {epoch}"
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
            return Refused(wanted.operation_id, f"{wanted.target} has not been heard of")
        if not chosen.able:
            return Refused(wanted.operation_id, f"{chosen.agent_id} can't take over: {chosen.why_not}")
    by = f" by {wanted.requested_by}" if wanted.requested_by else ""
    why = f": {wanted.reason}" if wanted.reason else ""
    return Accepted(
        wanted.operation_id,
        chosen.agent_id,
        wanted.mode == "fast",
        f"failover {wanted.operation_id} to {chosen.agent_id} asked for{by}{why}",
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
    """The able one of the lowest rank; of several, the first by name."""
    return min((p for p in peers if p.able), key=lambda p: (p.rank, p.agent_id), default=None)


def _why_none(peers: tuple[Peer, ...]) -> str:
    return "; ".join(f"{p.agent_id}: {p.why_not}" for p in peers) or "there is no other agent"
