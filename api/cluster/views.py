"""What the admin routes answer: the shapes of `openapi.yaml`."""

from __future__ import annotations

from typing import Any, Literal, Self

from api.clips.views import Time, View
from api.domain.cluster.outcome import FailoverState, Operation
from api.domain.cluster.snapshot import AgentSeen, AgentWord, Snapshot, reasons, word
from clipping.contract.cluster import Pause


class AgentStatus(View):
    """One agent, as the store shows it. What an unreadable document does not tell is left out."""

    agent_id: str
    role: Literal["primary", "standby"]
    status: AgentWord
    last_heartbeat: Time
    queue_depth: int
    completed_clips_24h: int
    epoch: int
    eligible: bool
    reasons: list[str]
    version: str | None = None
    host: str | None = None
    encoders: list[str]
    started_at: Time | None = None

    @classmethod
    def of(cls, agent: AgentSeen, snapshot: Snapshot) -> Self:
        record, status = agent.record, word(agent, snapshot)
        # Where agents elect nobody, whoever works is a primary.
        leads = snapshot.holder == agent.agent_id if snapshot.has_leader else status == "active"
        return cls(
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


class PauseView(View):
    """A pause of automatic takeovers."""

    reason: str
    paused_by: str
    paused_at: Time
    until: Time | None = None

    @classmethod
    def of(cls, pause: Pause) -> Self:
        return cls.model_validate(pause.model_dump())


class ClusterView(View):
    """All agents, and who leads."""

    cluster: str
    epoch: int
    leader: str | None = None
    paused: bool
    pause: PauseView | None = None
    agents: list[AgentStatus]

    @classmethod
    def of(cls, snapshot: Snapshot) -> Self:
        return cls(
            cluster=snapshot.cluster,
            epoch=snapshot.epoch,
            leader=snapshot.leader,
            agents=[AgentStatus.of(agent, snapshot) for agent in snapshot.agents],
            **_pause(snapshot),
        )


class PauseState(View):
    """Whether automatic takeovers are paused."""

    cluster: str
    paused: bool
    pause: PauseView | None = None

    @classmethod
    def of(cls, snapshot: Snapshot) -> Self:
        return cls(cluster=snapshot.cluster, **_pause(snapshot))


class FailoverView(View):
    """A planned failover, and what became of it."""

    operation_id: str
    state: FailoverState
    old_primary: str | None = None
    new_primary: str | None = None
    target: str | None = None
    switched_at: Time | None = None
    epoch: int | None = None
    reason: str | None = None
    error: str | None = None
    created_at: Time
    expires_at: Time

    @classmethod
    def of(cls, operation: Operation) -> Self:
        fields = {name: getattr(operation, name) for name in cls.model_fields}
        absent = {name: fields[name] or None for name in ("target", "reason")}
        return cls.model_validate({**fields, **absent})


def _pause(snapshot: Snapshot) -> dict[str, Any]:
    pause = snapshot.intent.pause if snapshot.paused else None
    return {"paused": pause is not None, "pause": PauseView.of(pause) if pause else None}
