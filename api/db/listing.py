"""A page of requests, newest first. The key of a page's last row is where the next one begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from api.db.tables import Clip
from clipping.contract.messages import Status


@dataclass(frozen=True)
class Position:
    """A row's place in the order; what comes later in it is older."""

    created_at: datetime
    request_id: str


@dataclass(frozen=True)
class Filters:
    """Which requests; None: all of them. The times are exclusive."""

    owner: str | None = None
    hand_id: str | None = None
    status: Status | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


def page(session: Session, filters: Filters, *, behind: Position | None, limit: int) -> Sequence[Clip]:
    """At most `limit` rows. New requests come before the first page: they don't move what follows."""
    query = select(Clip)
    if filters.owner is not None:
        query = query.where(Clip.owner == filters.owner)
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
        # The first part is what an index can use; the second is exact.
        query = query.where(Clip.created_at <= behind.created_at)
        query = query.where(or_(Clip.created_at < behind.created_at, same_time))
    order = (Clip.created_at.desc(), Clip.request_id.desc())
    return session.scalars(query.order_by(*order).limit(limit)).all()
