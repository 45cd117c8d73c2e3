"""Responses stored under a caller's `Idempotency-Key`."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from api.db.tables import IdempotencyKey

KEPT = timedelta(hours=24)


def find(session: Session, owner: str, key: str, *, since: datetime) -> IdempotencyKey | None:
    """The response stored under the key since `since`."""
    query = select(IdempotencyKey).where(IdempotencyKey.owner == owner, IdempotencyKey.key == key)
    found = session.scalars(query.execution_options(populate_existing=True)).one_or_none()
    return found if found is not None and found.created_at >= since else None


def claim(
    session: Session,
    *,
    owner: str,
    key: str,
    body_hash: str,
    status: int,
    answer: bytes,
    now: datetime,
    since: datetime,
) -> bool:
    """Store the response. False when another request has used the key since `since`: nothing is written.

    Waits for a transaction that writes the same key, until it ends.
    """
    mine = (IdempotencyKey.owner == owner, IdempotencyKey.key == key)
    session.execute(delete(IdempotencyKey).where(*mine, IdempotencyKey.created_at < since))
    dialect = session.get_bind().dialect.name
    insert = sqlite.insert if dialect == "sqlite" else postgresql.insert
    values = {
        "owner": owner,
        "key": key,
        "body_hash": body_hash,
        "status": status,
        "answer": answer,
        "created_at": now,
    }
    written = insert(IdempotencyKey).values(values).on_conflict_do_nothing().returning(IdempotencyKey.key)
    return session.scalar(written) is not None


def release(session: Session, owner: str, key: str) -> None:
    """Delete a key whose request was abandoned."""
    session.execute(delete(IdempotencyKey).where(IdempotencyKey.owner == owner, IdempotencyKey.key == key))


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
        session.execute(
            delete(IdempotencyKey).where(IdempotencyKey.owner == owner, IdempotencyKey.key == key)
        )
    return len(rows)
