"""The outbox's rows: requests that are not yet known to be in Pub/Sub."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, exists, func, insert, select, update
from sqlalchemy.orm import Session

from api.db.tables import Unsent, table_of


@dataclass(frozen=True)
class Entry:
    """One message to publish."""

    request_id: str
    data: bytes
    attributes: dict[str, str]
    attempts: int = 0


def add(session: Session, entry: Entry, *, now: datetime, next_attempt_at: datetime) -> None:
    """Write the entry; nobody claims it before `next_attempt_at`."""
    session.execute(
        insert(table_of(Unsent)),
        {
            "request_id": entry.request_id,
            "data": entry.data,
            "attributes": entry.attributes,
            "created_at": now,
            "next_attempt_at": next_attempt_at,
        },
    )


def any_due(session: Session, now: datetime) -> bool:
    """Whether `claim` would find something. Cheap, and takes no lock."""
    return bool(session.scalar(select(exists().where(Unsent.next_attempt_at <= now))))


def claim(session: Session, *, now: datetime, until: datetime, limit: int) -> list[Entry]:
    """The oldest entries that are due; they are not due again before `until`, for nobody."""
    due = (
        select(Unsent)
        .where(Unsent.next_attempt_at <= now)
        .order_by(Unsent.created_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = session.scalars(due).all()
    for row in rows:
        row.next_attempt_at = until
    return [Entry(row.request_id, row.data, row.attributes, row.attempts) for row in rows]


def remove(session: Session, request_ids: Collection[str]) -> None:
    """These are published."""
    session.execute(delete(Unsent).where(Unsent.request_id.in_(request_ids)))


def postpone(session: Session, entries: Iterable[Entry], *, until: datetime, failed: bool) -> None:
    """Give claimed entries back; `failed` counts the attempt."""
    ids = [entry.request_id for entry in entries]
    values = {"next_attempt_at": until}
    changed = update(Unsent).where(Unsent.request_id.in_(ids)).values(values)
    session.execute(changed.values(attempts=Unsent.attempts + 1) if failed else changed)


def oldest(session: Session) -> datetime | None:
    """When the longest waiting entry was written; None when the outbox is empty."""
    found: Sequence[datetime | None] = session.scalars(select(func.min(Unsent.created_at))).all()
    return found[0]
