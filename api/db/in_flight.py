"""What each agent works on, and what it could not do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from sqlalchemy import func, select
from sqlalchemy.orm import Session, load_only

from api.db.tables import Clip
from clipping.contract.choices import Kind, Stage

MOST = 500
"""Requests in flight that are read: more than agents work on at a time."""


@dataclass(frozen=True)
class Begun:
    """A request in flight."""

    request_id: str
    kind: Kind
    hand_id: str
    agent_id: str
    stage: Stage | None
    progress_percent: float
    started_at: datetime | None
    estimated_seconds: float | None
    """Of work, as estimated when it was accepted."""


@dataclass(frozen=True)
class Busy:
    """All agents' work at one moment."""

    begun: Sequence[Begun]
    """Oldest first."""
    waiting: int
    failed: Mapping[str, int]
    """By agent."""


_NEEDED = (
    Clip.kind,
    Clip.hand_id,
    Clip.agent_id,
    Clip.stage,
    Clip.progress_percent,
    Clip.started_at,
    Clip.estimated_seconds,
)


def busy(session: Session, *, failed_since: datetime) -> Busy:
    """What is in flight and waits now, and what has failed since then."""
    flying = select(Clip).where(Clip.status == "processing", Clip.agent_id.is_not(None))
    flying = flying.options(load_only(*_NEEDED)).order_by(Clip.started_at).limit(MOST)
    waiting = session.scalar(select(func.count()).where(Clip.status == "queued"))
    failed = select(Clip.agent_id, func.count()).where(
        # The index's columns: what failed since then had its last sign of life since then, too.
        Clip.status == "failed",
        Clip.last_sign_at >= failed_since,
        Clip.completed_at >= failed_since,
    )
    counts = session.execute(failed.group_by(Clip.agent_id))
    return Busy(
        begun=[_begun(clip) for clip in session.scalars(flying)],
        waiting=waiting or 0,
        failed={agent_id: count for agent_id, count in counts if agent_id},
    )


def _begun(clip: Clip) -> Begun:
    return Begun(
        request_id=clip.request_id,
        kind=cast(Kind, clip.kind),
        hand_id=clip.hand_id,
        agent_id=clip.agent_id or "",
        stage=cast(Stage | None, clip.stage),
        progress_percent=clip.progress_percent or 0.0,
        started_at=clip.started_at,
        estimated_seconds=clip.estimated_seconds,
    )
