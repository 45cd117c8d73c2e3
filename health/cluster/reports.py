"""What an agent reports about itself: its record in the store, and its view for `/health`. Pure."""

from __future__ import annotations

from datetime import datetime

from clipping import __version__
from clipping.contract.cluster import AgentRecord
from health.cluster.progress import Progress
from health.election.observation import Observation
from health.election.roles import Facts, RoleView, State


def record(
    o: Observation,
    progress: Progress,
    facts: Facts,
    *,
    cluster: str,
    epoch: int,
    started_at: datetime,
    now: datetime,
) -> AgentRecord:
    """The agent's record, as of now."""
    state = o.state
    # A standby or a leader that is well has nothing to explain.
    reasons = o.reasons if o.reasons or state in (State.STANDBY, State.ACTIVE) else (progress.reason,)
    stopped = state is State.STOPPED
    return AgentRecord(
        schema=1,
        agent_id=o.me.agent_id,
        cluster=cluster,
        instance=o.me.instance,
        host=o.me.host,
        state=state.role,
        epoch=epoch,
        eligible=o.eligible and not stopped,
        reasons=("stopped", *reasons) if stopped else reasons,
        rank=o.me.rank,
        version=__version__,
        queue_depth=facts.queue_depth,
        completed_clips_24h=facts.completed_clips_24h,
        encoders=facts.encoders,
        encoder_probe=facts.encoder_probe,
        deadline_seconds=o.timings.deadline,
        drain_seconds=o.timings.drain,
        takeover_seconds=o.timings.takeover(o.me.rank),
        health_url=o.me.health_url,
        started_at=started_at,
        heartbeat_at=now,
        intent=progress.answer,
    )


def view(
    o: Observation, progress: Progress, *, guard_remaining: float | None, epoch: int, intake: bool
) -> RoleView:
    """The coordinator's state for the rest of this process.

    `guard_remaining` is of now: after a SIGSTOP this may be called before the next step, and an earlier
    observation must not count as a valid lease.
    """
    lease = o.lease.lease
    held = lease is not None and lease.state == "held"
    remaining: float | None = None
    if o.state.role in ("active", "draining") and guard_remaining is not None:
        remaining = max(0.0, guard_remaining)
    elif held:
        remaining = max(0.0, o.timings.ttl - o.lease.unchanged_for)
    unreachable = held and o.state is State.STANDBY and o.failed_polls >= o.timings.poll_failures
    polled = unreachable and lease is not None and lease.health_url is not None
    notes = (f"{lease.holder} does not answer this agent's health polls",) if polled and lease else ()
    return RoleView(
        state=o.state,
        role=o.state.role,
        epoch=epoch,
        holder=lease.holder if held and lease is not None else None,
        lease_remaining_seconds=remaining,
        eligible=o.eligible,
        reasons=(*o.reasons, *notes),
        why=progress.reason,
        paused=o.pause is not None,
        intake=intake,
        answer=progress.answer,
    )
