"""Chooses the agent that takes over in a planned failover, or states why none can. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from api.domain.cluster.snapshot import AgentSeen, Snapshot, ineligible
from clipping.errors import NoEligibleTarget, NotFound, NotPossible

NO_LEADER = "the agents elect no leader (ha.mode is pool or single): all of them are active"


Direction = Literal["from", "to"]
"""The role of the named agent: `from`: it must stop leading; `to`: it must lead."""


@dataclass(frozen=True)
class Handover:
    """The old leader, the target, and the epoch of the lease."""

    old_primary: str
    target: str
    epoch: int


@dataclass(frozen=True)
class Settled:
    """The cluster is already in the requested state. `leader` is None if no agent leads."""

    leader: str | None
    epoch: int


def choose(
    snapshot: Snapshot, agent_id: str, target: str | None, direction: Direction | None = None
) -> Handover | Settled:
    """The handover for `agent_id` and `target`, or that nothing has to change.

    With a `direction`, repeating the call changes nothing. Without one, `agent_id` is the leader, which hands
    over to `target` or to the best standby, or a standby, which takes over: the same call, repeated
    afterwards, reverses it. The same holds for a dead leader: the standby then waits until the lease expires.
    Raises `NotFound`, `NotPossible` or `NoEligibleTarget`.
    """
    for name, field in ((agent_id, "agent_id"), (target, "target")):
        if name is not None and name != snapshot.lease_holder and snapshot.agent(name) is None:
            raise NotFound(f"there is no agent {name} in the cluster {snapshot.cluster}", field=field)
    if not snapshot.has_leader:
        raise NotPossible(NO_LEADER)
    if snapshot.lease is None:
        raise NotPossible(
            "there is no lease: no agent has led yet, or the lease was deleted; wait for the agents"
        )
    old, epoch = snapshot.lease.lease.holder, snapshot.lease.lease.epoch
    if _is_so_already(snapshot, agent_id, target, direction):
        return Settled(snapshot.leader, epoch)
    if direction == "to":
        return Handover(old, _checked(snapshot, agent_id), epoch)
    if agent_id == snapshot.lease_holder:
        return Handover(old, _successor(snapshot, agent_id, target), epoch)
    if direction == "from":
        leads = f"{snapshot.leader} leads" if snapshot.leader else f"{agent_id} does not lead"
        raise NotPossible(f"{leads}, so {agent_id} can't hand over to {target}", field="agent_id")
    if target not in (None, agent_id):
        raise NotPossible(
            f"{agent_id} does not lead, so it is the one to take over: leave target out", field="target"
        )
    return Handover(old, _checked(snapshot, agent_id), epoch)


def _is_so_already(
    snapshot: Snapshot, agent_id: str, target: str | None, direction: Direction | None
) -> bool:
    match direction:
        case "to":
            return snapshot.leader == agent_id
        case "from":
            return snapshot.lease_holder != agent_id and target in (None, snapshot.leader)
    return False


def _successor(snapshot: Snapshot, agent_id: str, target: str | None) -> str:
    if target == agent_id:
        raise NotPossible(f"{agent_id} leads already: target must be another agent", field="target")
    return _checked(snapshot, target) if target is not None else _best(snapshot)


def _checked(snapshot: Snapshot, target: str) -> str:
    agent = snapshot.agent(target)
    why = ineligible(agent, snapshot) if agent else "it has never written its document"
    if why is not None:
        raise NoEligibleTarget(f"{target} can't take over: {why}")
    return target


def _best(snapshot: Snapshot) -> str:
    """The standby with the lowest rank; among equals, the first by name."""
    others = [agent for agent in snapshot.agents if agent.agent_id != snapshot.lease_holder]
    if not others:
        raise NotPossible(f"{snapshot.lease_holder} leads, and there is no other agent")
    able = [agent for agent in others if ineligible(agent, snapshot) is None]
    if not able:
        reasons_of_each = "; ".join(f"{agent.agent_id}: {ineligible(agent, snapshot)}" for agent in others)
        raise NoEligibleTarget(f"no agent can take over: {reasons_of_each}")
    return min(able, key=_preference).agent_id


def _preference(agent: AgentSeen) -> tuple[int, str]:
    return agent.record.rank if agent.record else 0, agent.agent_id
