"""The outbox: messages that are written together with the change they report, and published afterwards.

One table for all topics. A message stays in it until its publication is confirmed, so that it is published at
least once however processes end. Every function takes the session of its caller's transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, delete, exists, func, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from api.db.bulk import BulkInsert
from api.db.tables import OutboxMessage, table_of

REQUESTS = "requests"
"""Topic of the clip requests for the agents; the key is the request id."""


@dataclass(frozen=True)
class Entry:
    """A message to write."""

    topic: str
    """The kind of message, which decides where it is sent."""
    key: str
    """Identifies it within its topic while it waits, for `withdraw` and `is_waiting`."""
    payload: bytes
    attributes: Mapping[str, str]
    created_at: datetime


@dataclass(frozen=True)
class Message:
    """One message to publish: an `Entry` that was written."""

    id: int
    """Increases in the order of insertion, and is never reused."""
    topic: str
    key: str
    payload: bytes
    attributes: Mapping[str, str] = field(default_factory=dict)
    attempts: int = 0
    """The number of failed attempts."""


@dataclass(frozen=True)
class Backlog:
    """The messages of a topic that are not yet published."""

    count: int
    oldest: datetime | None
    """When the first of them was written; None without any."""


_insert = BulkInsert(
    table_of(OutboxMessage),
    ("id", "topic", "key", "payload", "attributes", "created_at", "attempts", "next_attempt_at"),
)


def add(connection: Connection, entries: Sequence[Entry], *, due: datetime) -> list[Message]:
    """Write messages, which `claim` finds from `due` on. In the connection's transaction.

    Raises `IntegrityError` while another one of a topic and key waits.
    """
    ids = _next_ids(connection, len(entries))
    rows = [
        {**vars(entry), "id": number, "attempts": 0, "next_attempt_at": due}
        for number, entry in zip(ids, entries, strict=True)
    ]
    _insert(connection, rows)
    return [
        Message(number, entry.topic, entry.key, entry.payload, entry.attributes)
        for number, entry in zip(ids, entries, strict=True)
    ]


def _next_ids(connection: Connection, count: int) -> Sequence[int]:
    # A statement of several rows does not return their ids.
    if connection.dialect.name == "sqlite":
        # AUTOINCREMENT's last id. No other transaction writes meanwhile.
        found = connection.exec_driver_sql("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'")
        last = found.scalar() or 0
        return range(last + 1, last + 1 + count)
    sequence = "pg_get_serial_sequence('outbox', 'id')"
    query = f"SELECT nextval({sequence}) FROM generate_series(1, %s)"
    return connection.exec_driver_sql(query, (count,)).scalars().all()


def any_due(session: Session, topic: str, now: datetime) -> bool:
    """Whether `claim` would find a message. Cheap for any backlog, and takes no lock."""
    due = exists().where(OutboxMessage.topic == topic, OutboxMessage.next_attempt_at <= now)
    return bool(session.scalar(select(due)))


def claim(session: Session, topic: str, *, now: datetime, until: datetime, limit: int) -> list[Message]:
    """Claim the topic's first due messages. No other call finds them before `until`."""
    due = (
        select(OutboxMessage)
        .where(OutboxMessage.topic == topic, OutboxMessage.next_attempt_at <= now)
        .order_by(OutboxMessage.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = session.scalars(due).all()
    for row in rows:
        row.next_attempt_at = until
    return [Message(row.id, row.topic, row.key, row.payload, row.attributes, row.attempts) for row in rows]


def remove(connection: Connection, ids: Collection[int]) -> None:
    """Remove published messages."""
    connection.execute(delete(OutboxMessage).where(OutboxMessage.id.in_(ids)))


def withdraw(session: Session, topic: str, keys: Collection[str]) -> None:
    """Remove messages that must no longer be published; one that is being sent may still arrive."""
    session.execute(delete(OutboxMessage).where(OutboxMessage.topic == topic, OutboxMessage.key.in_(keys)))


def postpone(session: Session, messages: Iterable[Message], *, until: datetime, failed: bool) -> None:
    """Give claimed messages back until a later moment; `failed` counts an attempt."""
    ids = [message.id for message in messages]
    changed = update(OutboxMessage).where(OutboxMessage.id.in_(ids)).values(next_attempt_at=until)
    session.execute(changed.values(attempts=OutboxMessage.attempts + 1) if failed else changed)


def is_waiting(topic: str, key: InstrumentedAttribute[str]) -> ColumnElement[bool]:
    """For queries of other tables: whether a message with the column's value as its key waits."""
    return exists().where(OutboxMessage.topic == topic, OutboxMessage.key == key)


def backlog(session: Session, topic: str) -> Backlog:
    """How many messages of the topic wait, and since when."""
    query = select(func.count(), func.min(OutboxMessage.created_at)).where(OutboxMessage.topic == topic)
    count, oldest = session.execute(query).one()
    return Backlog(count, oldest)
