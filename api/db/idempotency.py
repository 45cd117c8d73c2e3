"""Responses stored under a caller's `Idempotency-Key`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from api.db.tables import IdempotencyKey

KEPT = timedelta(hours=24)


@dataclass(frozen=True)
class Kept:
    """The stored response to a call."""

    body_hash: str
    """SHA-256 (hex) of the path and the decoded body."""
    answer: bytes


def find(session: Session, owner: str, key: str, *, since: datetime) -> Kept | None:
    """The response stored under the key since `since`."""
    query = select(IdempotencyKey.body_hash, IdempotencyKey.answer)
    found = session.execute(
        query.where(*_named(owner, key), IdempotencyKey.created_at >= since)
    ).one_or_none()
    return Kept(found.body_hash, found.answer) if found is not None else None


def claim(
    session: Session, owner: str, key: str, kept: Kept, *, status: int, now: datetime, since: datetime
) -> bool:
    """Store the response. False when another request has used the key since `since`: nothing is written.

    Waits for a transaction that writes the same key, until it ends.
    """
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    values = {"body_hash": kept.body_hash, "status": status, "answer": kept.answer, "created_at": now}
    written = (
        insert(IdempotencyKey)
        .values(owner=owner, key=key, **values)
        .on_conflict_do_update(
            index_elements=[IdempotencyKey.owner, IdempotencyKey.key],
            set_=values,
            where=IdempotencyKey.created_at < since,
        )
        .returning(IdempotencyKey.key)
    )
    return session.scalar(written) is not None


def change(session: Session, owner: str, key: str, kept: Kept) -> None:
    """Replace the response of a key that the same transaction has claimed."""
    session.execute(
        update(IdempotencyKey).where(*_named(owner, key)).values(body_hash=kept.body_hash, answer=kept.answer)
    )


def release(session: Session, owner: str, key: str) -> None:
    """Delete a key whose request was abandoned."""
    session.execute(delete(IdempotencyKey).where(*_named(owner, key)))


def forget(session: Session, *, before: datetime, limit: int) -> int:
    """Delete expired keys. Returns their number."""
    old = (
        select(IdempotencyKey.owner, IdempotencyKey.key)
        .where(IdempotencyKey.created_at < before)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = session.execute(old).all()
    for owner, key in rows:
        session.execute(delete(IdempotencyKey).where(*_named(owner, key)))
    return len(rows)


def _named(owner: str, key: str) -> tuple[ColumnElement[bool], ...]:
    return IdempotencyKey.owner == owner, IdempotencyKey.key == key
