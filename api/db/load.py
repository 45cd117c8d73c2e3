"""The load, for monitoring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from api.db import outbox
from api.db.tables import Clip, ParkedMessage

_OPEN = ("queued", "processing")
_LANES = ("interactive", "batch")


@dataclass(frozen=True)
class Load:
    """Counts at one moment."""

    open_clips: Mapping[tuple[str, str], int]
    """By status and lane, zeros included."""
    outbox: int
    """Requests that are not yet published."""
    outbox_age_seconds: float
    parked: int


def measure(session: Session, now: datetime) -> Load:
    """The current load."""
    counted = dict.fromkeys(((status, lane) for status in _OPEN for lane in _LANES), 0)
    by_kind = select(Clip.status, Clip.lane, func.count()).where(Clip.status.in_(_OPEN))
    for status, lane, count in session.execute(by_kind.group_by(Clip.status, Clip.lane)):
        counted[status, lane] = count
    backlog = outbox.backlog(session, outbox.REQUESTS)
    return Load(
        open_clips=counted,
        outbox=backlog.count,
        outbox_age_seconds=max(0.0, (now - backlog.oldest).total_seconds()) if backlog.oldest else 0.0,
        parked=session.scalar(select(func.count()).select_from(ParkedMessage)) or 0,
    )
