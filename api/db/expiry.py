"""The objects of completed requests: which have expired, and which the janitor deletes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import NamedTuple, cast

from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.orm import Session

from api.db.tables import Clip
from api.db.watching import Version
from clipping.store.layout import Folder


class Expired(NamedTuple):
    """A request whose object has expired."""

    request_id: str
    hand_id: str
    owner: str
    folder: Folder


def claim(
    session: Session, cutoffs: Mapping[Folder, datetime], *, now: datetime, until: datetime, limit: int
) -> list[Expired]:
    """At most `limit` requests of these folders whose objects were recorded at or before the folder's cutoff,
    the oldest first. No other process gets them before `until`; skips those that others claim."""
    claimed: list[Expired] = []
    for folder, cutoff in cutoffs.items():
        query = (
            select(Clip.request_id, Clip.hand_id, Clip.owner)
            .where(_is_left(folder, cutoff), _is_due(now))
            .order_by(Clip.stored_at)
            .limit(limit - len(claimed))
        )
        rows = session.execute(query.with_for_update(skip_locked=True)).all()
        claimed += [Expired(*row, folder) for row in rows]
        if len(claimed) == limit:
            break
    put_off(session, [each.request_id for each in claimed], until=until)
    return claimed


def is_any(session: Session, cutoffs: Mapping[Folder, datetime], *, now: datetime) -> bool:
    """Whether `claim` might find a row. Cheap, and takes no lock."""
    for folder, cutoff in cutoffs.items():
        query = select(Clip.request_id).where(_is_left(folder, cutoff), _is_due(now)).limit(1)
        if session.scalar(query) is not None:
            return True
    return False


def put_off(session: Session, request_ids: Collection[str], *, until: datetime) -> None:
    """Leave these alone until then."""
    session.execute(update(Clip).where(Clip.request_id.in_(request_ids)).values(delete_due_at=until))


def mark_deleted(session: Session, request_ids: Collection[str], *, now: datetime) -> None:
    """Record that the store has no object of these requests."""
    session.execute(
        update(Clip).where(Clip.request_id.in_(request_ids)).values(deleted_at=now, delete_due_at=None)
    )


def are_all_expired(
    session: Session, request_ids: Collection[str], cutoffs: Mapping[Folder, datetime]
) -> bool:
    """Whether there are requests with these ids and all their objects have expired."""
    expired = or_(*(_has_expired(folder, cutoff) for folder, cutoff in cutoffs.items()))
    query = select(func.count()).select_from(Clip).where(Clip.request_id.in_(request_ids), expired)
    return bool(request_ids) and session.scalar(query) == len(set(request_ids))


def is_left(folders: Collection[Folder]) -> ColumnElement[bool]:
    """Whether the janitor, which looks after these folders, has still to delete the request's object."""
    return and_(
        Clip.folder.in_(folders),
        Clip.stored_at.is_not(None),
        Clip.deleted_at.is_(None),
        Clip.status == "completed",
    )


def folder(row: Clip | Version) -> Folder | None:
    """Where the request's object is."""
    return cast("Folder | None", row.folder)


def _has_expired(folder: Folder, cutoff: datetime) -> ColumnElement[bool]:
    return and_(Clip.folder == folder, Clip.stored_at <= cutoff)


def _is_left(folder: Folder, cutoff: datetime) -> ColumnElement[bool]:
    return and_(_has_expired(folder, cutoff), Clip.deleted_at.is_(None))


def _is_due(now: datetime) -> ColumnElement[bool]:
    return or_(Clip.delete_due_at.is_(None), Clip.delete_due_at <= now)
