"""The queued and recently processed clips of each lane, for queue positions and estimates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from sqlalchemy import func, select
from sqlalchemy.orm import Session, load_only

from api.db.tables import Clip
from clipping.contract.choices import Mode
from clipping.contract.messages import Lane


@dataclass(frozen=True)
class Waiting:
    """The queued requests of a lane."""

    clips: int
    seconds: float
    """Their total seconds of work, as estimated when they were accepted."""


@dataclass(frozen=True)
class Worked:
    """One clip that an agent has finished, or that is in flight (`ended_at` None)."""

    mode: Mode
    started_at: datetime
    ended_at: datetime | None
    length: float | None
    """The clip's length in seconds."""
    work: float | None
    """The seconds that the work took."""


def waiting(session: Session, lane: Lane) -> Waiting:
    """The queue of a lane."""
    query = select(func.count(), func.sum(Clip.estimated_seconds))
    count, seconds = session.execute(query.where(Clip.lane == lane, Clip.status == "queued")).one()
    return Waiting(clips=count, seconds=float(seconds or 0.0))


def recent_work(session: Session, lane: Lane, *, limit: int) -> Sequence[Worked]:
    """The clips in flight in the lane, and the last finished ones."""
    found: list[Worked] = []
    for status in ("processing", "completed"):
        query = select(Clip).where(Clip.lane == lane, Clip.status == status, Clip.started_at.is_not(None))
        query = query.options(load_only(*_NEEDED)).order_by(Clip.last_sign_at.desc()).limit(limit)
        found += [_worked(clip) for clip in session.scalars(query)]
    return found


_NEEDED = (
    Clip.mode,
    Clip.started_at,
    Clip.completed_at,
    Clip.duration_seconds,
    Clip.processing_time_seconds,
)


def _worked(clip: Clip) -> Worked:
    assert clip.started_at is not None, "the query asks for nothing else"
    return Worked(
        mode=cast(Mode, clip.mode),
        started_at=clip.started_at,
        ended_at=clip.completed_at,
        length=clip.duration_seconds,
        work=clip.processing_time_seconds,
    )
