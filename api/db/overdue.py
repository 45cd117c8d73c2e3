"""Overdue rows: requests without a sign of life, and expired ones."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import get_args

from sqlalchemy import ColumnElement, and_, delete, exists, not_, select
from sqlalchemy.orm import Session

from api.db import expiry, outbox
from api.db.tables import Clip, Failover
from clipping.contract.messages import TERMINAL, Lane
from clipping.store.layout import Folder


def any_silent(session: Session, *, before: datetime) -> bool:
    """Whether `claim_silent` might find a row. Cheap, and takes no lock."""
    return bool(session.scalar(select(exists().where(_silent(before)))))


def claim_silent(session: Session, *, before: datetime, limit: int) -> Sequence[Clip]:
    """Unfinished requests without a sign of life since `before`, locked. Skips those that others check.

    A request that waits behind others is not lost, however long that takes: while its lane's agents are
    working, a request is only returned if one that was published later was started before `before`. Requests
    in the outbox are not returned either.
    """
    query = select(Clip).where(_silent(before))
    for lane in get_args(Lane):
        if _is_alive(session, lane, before):
            query = query.where(not_(_waits_its_turn(session, lane, before)))
    query = query.order_by(Clip.last_sign_at).limit(limit)
    return session.scalars(query.with_for_update(skip_locked=True)).all()


@dataclass(frozen=True)
class Forgotten:
    """The removed rows."""

    count: int
    marked: tuple[str, ...]
    """The removed requests that have a cancellation mark in the store."""


def forget_finished(
    session: Session,
    *,
    before: datetime,
    marked_before: datetime,
    folders: Collection[Folder],
    limit: int,
) -> Forgotten:
    """Remove requests that ended long ago; those with a cancellation mark only before `marked_before`, and
    those whose object the janitor, which looks after `folders`, has still to delete only afterwards."""
    old = and_(Clip.status.in_(TERMINAL), Clip.last_sign_at < before, not_(expiry.is_left(folders)))
    unmarked = Clip.cancel_requested_at.is_(None) | (Clip.last_sign_at < marked_before)
    query = select(Clip.request_id, Clip.cancel_requested_at).where(old, unmarked)
    rows = session.execute(query.limit(limit).with_for_update(skip_locked=True)).all()
    ids = [request_id for request_id, _ in rows]
    session.execute(delete(Clip).where(Clip.request_id.in_(ids)))
    outbox.withdraw(session, outbox.REQUESTS, ids)
    session.execute(delete(Failover).where(Failover.created_at < before))
    return Forgotten(len(rows), tuple(request_id for request_id, marked in rows if marked is not None))


def _silent(before: datetime) -> ColumnElement[bool]:
    unpublished = outbox.is_waiting(outbox.REQUESTS, Clip.request_id)
    return and_(Clip.status.in_(("queued", "processing")), Clip.last_sign_at < before, not_(unpublished))


def _is_alive(session: Session, lane: Lane, since: datetime) -> bool:
    """Whether an agent of the lane has reported anything."""
    reported = exists().where(
        Clip.lane == lane,
        Clip.status.in_(("processing", *TERMINAL)),  # the same expression as in the index
        Clip.started_at.is_not(None),
        Clip.last_sign_at >= since,
    )
    return bool(session.scalar(select(reported)))


def _waits_its_turn(session: Session, lane: Lane, before: datetime) -> ColumnElement[bool]:
    newest_taken = session.scalar(
        select(Clip.created_at)
        .where(Clip.lane == lane, Clip.started_at < before)
        .order_by(Clip.created_at.desc())
        .limit(1)
    )
    waits = and_(Clip.lane == lane, Clip.status == "queued")
    return waits if newest_taken is None else and_(waits, Clip.last_sign_at >= newest_taken)
