"""The requests' rows. Every function takes the session of its caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import cast

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from api.db.tables import Clip
from api.rules import State
from clipping.messages import CompletionMessage, Lane, Mode, RequestMessage, Stage, Status


def row_of(message: RequestMessage) -> Clip:
    """The row of a request that was just accepted."""
    envelope = {"request_id", "owner", "requested_at", "schema_"}
    return Clip(
        request_id=message.request_id,
        owner=message.owner,
        hand_id=message.hand_id,
        mode=message.mode,
        lane=message.lane,
        spec=message.model_dump(mode="json", exclude=envelope),
        short=message.output.short,
        created_at=message.requested_at,
        last_sign_at=message.requested_at,
    )


def find(session: Session, request_id: str, *, for_update: bool = False) -> Clip | None:
    """The row of a request. `for_update`: nobody else changes it before this transaction ends."""
    query = select(Clip).where(Clip.request_id == request_id)
    return session.scalars(query.with_for_update() if for_update else query).one_or_none()


def count_queued(session: Session, lane: Lane | None = None) -> int:
    """How many requests wait for an agent, in one lane or in all."""
    query = select(func.count()).select_from(Clip).where(Clip.status == "queued")
    if lane is not None:
        query = query.where(Clip.lane == lane)
    return session.scalar(query) or 0


def recent_work(session: Session, mode: Mode, *, limit: int) -> Sequence[tuple[float, float]]:
    """(clip's seconds, seconds of work) of the clips of that mode that were completed last."""
    query = (
        select(Clip.duration_seconds, Clip.processing_time_seconds)
        .where(Clip.mode == mode, Clip.status == "completed")
        .order_by(Clip.completed_at.desc())
        .limit(limit)
    )
    return [(length, work) for length, work in session.execute(query) if length and work is not None]


def state_of(clip: Clip) -> State:
    """What the row says, as `rules.merge` takes it."""
    return State(
        status=cast(Status, clip.status),
        stage=cast(Stage | None, clip.stage),
        progress_percent=clip.progress_percent,
        attempt=clip.attempt,
        epoch=clip.epoch,
        seq=clip.seq,
        agent_id=clip.agent_id,
        completion=CompletionMessage.model_validate_json(clip.completion) if clip.completion else None,
    )


def store_state(clip: Clip, state: State, *, now: datetime) -> None:
    """Write a merged state into the row."""
    for name in ("status", "stage", "progress_percent", "attempt", "epoch", "seq", "agent_id"):
        setattr(clip, name, getattr(state, name))
    clip.last_sign_at = now
    clip.revision += 1
    if clip.started_at is None and state.status == "processing":
        clip.started_at = now
    if state.completion is not None:
        clip.completion = state.completion.to_json().decode()
        clip.completed_at = state.completion.completed_at
        clip.duration_seconds = state.completion.duration_seconds
        clip.processing_time_seconds = state.completion.processing_time_seconds
