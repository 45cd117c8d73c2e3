"""Statistics over a period, computed on request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from math import ceil

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from api.db.tables import Clip


@dataclass(frozen=True)
class Totals:
    """Statistics of the requests that were created in the period."""

    by_status: dict[str, int]
    average_seconds: float | None
    """The average seconds of work for a completed clip; None when there are none."""
    p95_seconds: float | None
    """The 95th percentile."""
    output_bytes: int


def totals(session: Session, *, owner: str | None, since: datetime) -> Totals:
    """The statistics of one owner, or of all (None)."""
    wanted: list[ColumnElement[bool]] = [Clip.created_at >= since]
    if owner is not None:
        wanted.append(Clip.owner == owner)
    counted = session.execute(
        select(Clip.status, func.count(), func.sum(Clip.file_size_bytes)).where(*wanted).group_by(Clip.status)
    )
    by_status: dict[str, int] = {}
    output_bytes = 0
    for status, count, size in counted:
        by_status[status] = count
        output_bytes += int(size or 0) if status == "completed" else 0
    timed = [*wanted, Clip.status == "completed", Clip.processing_time_seconds.is_not(None)]
    clips, average = session.execute(
        select(func.count(), func.avg(Clip.processing_time_seconds)).where(*timed)
    ).one()
    p95 = None
    if clips:
        rank = select(Clip.processing_time_seconds).where(*timed).order_by(Clip.processing_time_seconds)
        p95 = session.scalar(rank.offset(ceil(0.95 * clips) - 1).limit(1))
    return Totals(by_status, average, p95, output_bytes)
