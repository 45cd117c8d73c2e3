"""Responses of the admin routes, from the cluster's documents and the stored failovers."""

from __future__ import annotations

from datetime import datetime

from api.cluster.work import clips_of, failover_seconds
from api.db.in_flight import Busy
from api.domain.cluster.outcome import Operation
from api.domain.cluster.snapshot import AgentSeen, Snapshot, agent_status, reasons
from clipping.config import Ha
from clipping.contract.results import Agent, Cluster, Encoder, Failover, LeaseAge, Pause, PauseState


def agent_of(agent: AgentSeen, snapshot: Snapshot, busy: Busy | None, now: datetime) -> Agent:
    """One agent, from its document in the store, and what it works on."""
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
        encoder_probe=[
            Encoder(name=each.name, usable=each.usable, reason=each.reason or None)
            for each in (record.encoder_probe if record else ())
        ],
        takeover_seconds=record.takeover_seconds if record else None,
        failed_clips_24h=busy.failed.get(agent.agent_id, 0) if busy else None,
        in_flight=clips_of(agent.agent_id, busy.begun, now) if busy else None,
    )


def cluster_of(snapshot: Snapshot, ha: Ha, busy: Busy | None, now: datetime) -> Cluster:
    """All agents, and the leader. `busy` None: unknown."""
    pause = _pause_of(snapshot)
    agents = [agent_of(agent, snapshot, busy, now) for agent in snapshot.agents]
    leader = snapshot.agent(snapshot.leader) if snapshot.leader is not None else None
    drain = leader.record.drain_seconds if leader and leader.record else None
    in_flight = [clip for each in agents if each.agent_id == snapshot.leader for clip in each.in_flight or ()]
    return Cluster(
        cluster=snapshot.cluster,
        epoch=snapshot.epoch,
        leader=snapshot.leader,
        paused=pause is not None,
        pause=pause,
        agents=agents,
        lease=_lease_of(snapshot, ha),
        waiting=busy.waiting if busy else None,
        failover_seconds=failover_seconds(in_flight, drain) if snapshot.leader is not None else None,
    )


def _lease_of(snapshot: Snapshot, ha: Ha) -> LeaseAge | None:
    seen = snapshot.lease
    if seen is None or seen.lease.epoch == 0:
        return None
    agent = snapshot.agent(seen.lease.holder)
    deadline = agent.record.deadline_seconds if agent and agent.record else None
    return LeaseAge(
        agent_id=seen.lease.holder,
        state=seen.lease.state,
        age_seconds=round(max(0.0, seen.age_seconds), 3),
        stops_after_seconds=ha.deadline_seconds if deadline is None else deadline,
        free_after_seconds=seen.lease.ttl_seconds,
        acquired_at=seen.lease.acquisition.at if seen.lease.acquisition else None,
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
