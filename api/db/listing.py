"""Keyset pagination of requests, newest first: the next page starts after the last row of a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, or_, select, text
from sqlalchemy.orm import Session

from api.db.tables import Clip
from clipping.contract.choices import Kind, Status


@dataclass(frozen=True)
class Position:
    """A row's sort key; later rows are older."""

    created_at: datetime
    request_id: str


@dataclass(frozen=True)
class Filters:
    """Filters; None: no filter. The times are exclusive."""

    owner: str | None = None
    kind: Kind | None = None
    hand_id: str | None = None
    status: Status | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


def page(session: Session, filters: Filters, *, behind: Position | None, limit: int) -> Sequence[Clip]:
    """At most `limit` rows. New requests sort before the first page, so that later pages do not shift."""
    query = select(Clip)
    if filters.owner is not None:
        query = query.where(Clip.owner == filters.owner)
    if filters.kind == "reel":
        # The same expression as in the index, which SQLite compares as text.
        query = query.where(text("kind = 'reel'"))
    elif filters.kind is not None:
        query = query.where(Clip.kind == filters.kind)
    if filters.hand_id is not None:
        query = query.where(Clip.hand_id == filters.hand_id)
    if filters.status is not None:
        query = query.where(Clip.status == filters.status)
    if filters.created_after is not None:
        query = query.where(Clip.created_at > filters.created_after)
    if filters.created_before is not None:
        query = query.where(Clip.created_at < filters.created_before)
    if behind is not None:
        same_time = and_(Clip.created_at == behind.created_at, Clip.request_id < behind.request_id)
        # The first condition can use an index; the second one is exact.
        query = query.where(Clip.created_at <= behind.created_at)
        query = query.where(or_(Clip.created_at < behind.created_at, same_time))
    order = (Clip.created_at.desc(), Clip.request_id.desc())
    return session.scalars(query.order_by(*order).limit(limit)).all()
