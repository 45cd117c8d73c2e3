"""Statistics over a period, computed on request."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil

from sqlalchemy import BigInteger, ColumnElement, Select, case, cast, extract, func, select
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


@dataclass
class Bucket:
    """Statistics of the requests that were created in an hour or a day."""

    total: int = 0
    completed: int = 0
    failed: int = 0
    by_mode: Counter[str] = field(default_factory=Counter)
    """The completed ones."""
    p50_seconds: float | None = None
    p95_seconds: float | None = None
    output_bytes: int = 0


def over_time(
    session: Session, *, owner: str | None, since: datetime, origin: datetime, width: timedelta
) -> dict[int, Bucket]:
    """The statistics of each interval that has requests, by its number, counted from `origin`.

    As `totals`: the sums of all intervals are those of the period. `origin` may be before `since`. One
    statement reads the rows of the period once, by the index of their times.
    """
    wanted: list[ColumnElement[bool]] = [Clip.created_at >= since]
    if owner is not None:
        wanted.append(Clip.owner == owner)
    found: dict[int, Bucket] = {}
    for number, status, mode, count, size, p50, p95 in session.execute(_over_time(wanted, origin, width)):
        bucket = found.setdefault(number, Bucket())
        bucket.total += count
        if status == "failed":
            bucket.failed += count
        if status == "completed":
            bucket.completed += count
            bucket.by_mode[mode] += count
            bucket.output_bytes += int(size or 0)
            # The ranks are those of the whole interval: each of the two is in the row of one mode.
            bucket.p50_seconds = p50 if p50 is not None else bucket.p50_seconds
            bucket.p95_seconds = p95 if p95 is not None else bucket.p95_seconds
    return found


def _over_time(
    wanted: list[ColumnElement[bool]], origin: datetime, width: timedelta
) -> Select[int, str, str, int, int | None, float | None, float | None]:
    """Rows by interval, status and mode. Percentiles by nearest rank, as in `totals`."""
    # Whole microseconds: PostgreSQL rounds where it casts a fraction. SQLite has whole seconds, of
    # times that it rounds to milliseconds.
    micros = cast(extract("epoch", Clip.created_at) * 1_000_000, BigInteger)
    number = (micros - int(origin.timestamp()) * 1_000_000) // (int(width.total_seconds()) * 1_000_000)
    seconds = Clip.processing_time_seconds
    rows = select(
        number.label("number"),
        Clip.status,
        Clip.mode,
        Clip.file_size_bytes.label("size"),
        seconds.label("seconds"),
    ).where(*wanted)
    each = rows.subquery()
    group = (each.c.number, each.c.status, each.c.seconds.is_(None))
    ranked = select(
        each,
        func.row_number().over(partition_by=group, order_by=each.c.seconds).label("rank"),
        func.count().over(partition_by=group).label("of"),
    ).subquery()
    rank, of = ranked.c.rank, ranked.c.of
    at = {percent: case((rank == (percent * of + 99) // 100, ranked.c.seconds)) for percent in (50, 95)}
    columns = (ranked.c.number, ranked.c.status, ranked.c.mode)
    return select(
        *columns, func.count(), func.sum(ranked.c.size), func.max(at[50]), func.max(at[95])
    ).group_by(*columns)
