"""Responses of the admin routes, from the cluster's documents and the stored failovers."""

from __future__ import annotations

from api.domain.cluster.outcome import Operation
from api.domain.cluster.snapshot import AgentSeen, Snapshot, agent_status, reasons
from clipping.contract.results import Agent, Cluster, Failover, Pause, PauseState


def agent_of(agent: AgentSeen, snapshot: Snapshot) -> Agent:
    """One agent, from its document in the store."""
    record, status = agent.record, agent_status(agent, snapshot)
    # Without an election, every active agent is a primary.
    leads = snapshot.lease_holder == agent.agent_id if snapshot.has_leader else status == "active"
    return Agent(
        agent_id=agent.agent_id,
        role="primary" if leads else "standby",
        status=status,
        last_heartbeat=agent.written_at,
        queue_depth=record.queue_depth if record else 0,
        completed_clips_24h=record.completed_clips_24h if record else 0,
        epoch=record.epoch if record else 0,
        eligible=record is not None and record.eligible and status in ("active", "standby"),
        reasons=reasons(agent, snapshot),
        version=record.version if record else None,
        host=record.host if record else None,
        encoders=list(record.encoders) if record else [],
        started_at=record.started_at if record else None,
    )


def cluster_of(snapshot: Snapshot) -> Cluster:
    """All agents, and the leader."""
    pause = _pause_of(snapshot)
    return Cluster(
        cluster=snapshot.cluster,
        epoch=snapshot.epoch,
        leader=snapshot.leader,
        paused=pause is not None,
        pause=pause,
        agents=[agent_of(agent, snapshot) for agent in snapshot.agents],
    )


def pause_state_of(snapshot: Snapshot) -> PauseState:
    """Whether automatic takeovers are paused."""
    pause = _pause_of(snapshot)
    return PauseState(cluster=snapshot.cluster, paused=pause is not None, pause=pause)


def failover_of(operation: Operation) -> Failover:
    """A planned failover, and its progress."""
    return Failover(
        operation_id=operation.operation_id,
        state=operation.state,
        old_primary=operation.old_primary,
        new_primary=operation.new_primary,
        target=operation.target or None,
        switched_at=operation.switched_at,
        epoch=operation.epoch,
        reason=operation.reason or None,
        error=operation.error,
        created_at=operation.created_at,
        expires_at=operation.expires_at,
    )


def _pause_of(snapshot: Snapshot) -> Pause | None:
    pause = snapshot.intent.pause if snapshot.paused else None
    if pause is None:
        return None
    return Pause(reason=pause.reason, paused_by=pause.paused_by, paused_at=pause.paused_at, until=pause.until)
