"""The tables. Every change needs a file in `api/migrations/versions`; a test compares the two."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    DateTime,
    Dialect,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator


class UtcTime(TypeDecorator[datetime]):
    """An aware UTC time. SQLite has no time zones and stores it as naive UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """All tables. Constraints have systematic names, so that migrations can drop them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        }
    )


def table_of(model: type[Base]) -> Table:
    """The table, for statements without the ORM."""
    return cast(Table, model.__table__)


class Clip(Base):
    """One accepted request and its state."""

    __tablename__ = "requests"

    request_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    owner: Mapped[str] = mapped_column(String(256))
    """The name of the key, or the account, that created it."""
    kind: Mapped[str] = mapped_column(String(16), default="clip")
    hand_id: Mapped[str] = mapped_column(String(128))
    """Of a reel: its `reel_id`."""
    mode: Mapped[str] = mapped_column(String(16))
    lane: Mapped[str] = mapped_column(String(16))
    spec: Mapped[dict[str, Any]] = mapped_column(JSON)
    """The caller's request with defaults."""
    short: Mapped[bool] = mapped_column(Boolean, default=False)
    """Whether it is an upright clip, which counts against the daily quota."""
    batch_id: Mapped[str | None] = mapped_column(String(64), default=None)
    client_item_id: Mapped[str | None] = mapped_column(String(128), default=None)
    retry_of: Mapped[str | None] = mapped_column(String(64), default=None)
    """The request whose body it repeats."""
    retried_as: Mapped[str | None] = mapped_column(String(64), default=None)
    """The newest request that repeats this one's body."""
    traceparent: Mapped[str | None] = mapped_column(String(64), default=None)
    estimated_seconds: Mapped[float | None] = mapped_column(Double, default=None)
    """Seconds of work, as estimated when it was accepted."""

    revision: Mapped[int] = mapped_column(BigInteger, default=1)
    """Incremented by every change of the ClipStatus."""
    change_id: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    """The order of the changes of all requests, written by a trigger: see `api.db.changes`."""

    status: Mapped[str] = mapped_column(String(16), default="queued")
    stage: Mapped[str | None] = mapped_column(String(16), default="waiting")
    progress_percent: Mapped[float | None] = mapped_column(Double, default=0.0)
    parts: Mapped[list[dict[str, Any]] | None] = mapped_column(JSON(none_as_null=True), default=None)
    """Of a reel: the progress of the parts that have begun."""
    attempt: Mapped[int] = mapped_column(BigInteger, default=0)
    epoch: Mapped[int] = mapped_column(BigInteger, default=0)
    seq: Mapped[int] = mapped_column(BigInteger, default=0)
    agent_id: Mapped[str | None] = mapped_column(String(64), default=None)
    resumed_count: Mapped[int] = mapped_column(BigInteger, default=0)
    """How often an attempt resumed where an earlier one had stopped."""
    checkpoint: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True), default=None)
    """The last finished part of a long encode, as the agent reports it."""
    last_error: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True), default=None)
    """The newest error that an attempt met, until the request ends: code, message, at; and epoch, attempt,
    seq and agent_id of the message that reported it."""
    next_attempt_at: Mapped[datetime | None] = mapped_column(UtcTime, default=None)
    """Set while the request waits for a retry."""

    created_at: Mapped[datetime] = mapped_column(UtcTime)
    last_sign_at: Mapped[datetime] = mapped_column(UtcTime)
    """The last sign of life: accepted, published again, or reported by an agent."""
    lost_count: Mapped[int] = mapped_column(BigInteger, default=0)
    """How often it was published again because there was no sign of life."""
    cancel_requested_at: Mapped[datetime | None] = mapped_column(UtcTime, default=None)
    started_at: Mapped[datetime | None] = mapped_column(UtcTime, default=None)
    completed_at: Mapped[datetime | None] = mapped_column(UtcTime, default=None)

    completion: Mapped[str | None] = mapped_column(Text, default=None)
    """The completion message that ended it, unchanged: JSON."""
    duration_seconds: Mapped[float | None] = mapped_column(Double, default=None)
    processing_time_seconds: Mapped[float | None] = mapped_column(Double, default=None)
    file_size_bytes: Mapped[int | None] = mapped_column(BigInteger, default=None)

    folder: Mapped[str | None] = mapped_column(String(16), default=None)
    """Where its object is; set when it is completed."""
    stored_at: Mapped[datetime | None] = mapped_column(UtcTime, default=None)
    """When the completion was recorded: its object's life is counted from then."""
    deleted_at: Mapped[datetime | None] = mapped_column(UtcTime, default=None)
    """When the janitor found its object deleted, or deleted it."""
    delete_due_at: Mapped[datetime | None] = mapped_column(UtcTime, default=None)
    """The janitor leaves it alone until then: another process deletes it, or it could not be deleted."""
    link_url: Mapped[str | None] = mapped_column(Text, default=None)
    """The newest link to its object, signed by the API; unset: the one in the completion."""
    poster_link_url: Mapped[str | None] = mapped_column(Text, default=None)
    """The link to its poster that was signed with it; unset: it has none."""
    contact_sheet_link_url: Mapped[str | None] = mapped_column(Text, default=None)
    link_signed_at: Mapped[datetime | None] = mapped_column(UtcTime, default=None)
    link_expires_at: Mapped[datetime | None] = mapped_column(UtcTime, default=None)

    __table_args__ = (
        Index(None, "lane", "status"),
        Index("ix_requests_created_at", "created_at", "request_id"),
        Index("ix_requests_owner_created_at", "owner", "created_at", "request_id"),
        Index("ix_requests_hand_id_created_at", "hand_id", "created_at", "request_id"),
        Index(None, "status", "last_sign_at"),
        Index("ix_requests_changes", "change_id", "request_id"),
        Index(
            "ix_requests_reels",
            "created_at",
            "request_id",
            sqlite_where=text("kind = 'reel'"),
            postgresql_where=text("kind = 'reel'"),
        ),
        Index(
            "ix_requests_shorts",
            "owner",
            "created_at",
            sqlite_where=text("short"),
            postgresql_where=text("short"),
        ),
        Index(
            "ix_requests_stored",
            "folder",
            "stored_at",
            sqlite_where=text("deleted_at IS NULL"),
            postgresql_where=text("deleted_at IS NULL"),
        ),
    )


class ChangeCounter(Base):
    """SQLite: the last `change_id`, in one row. PostgreSQL has its transactions' ids."""

    __tablename__ = "change_counter"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    value: Mapped[int] = mapped_column(BigInteger)


class OutboxMessage(Base):
    """A message to publish: written with the change that it reports, removed once published."""

    __tablename__ = "outbox"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    topic: Mapped[str] = mapped_column(String(64))
    key: Mapped[str] = mapped_column(String(256))
    payload: Mapped[bytes] = mapped_column(LargeBinary)
    attributes: Mapped[dict[str, str]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    next_attempt_at: Mapped[datetime] = mapped_column(UtcTime)
    """Also the end of a claim: a publisher moves it into the future, so that no other claims it before."""

    __table_args__ = (
        UniqueConstraint("topic", "key"),
        Index(None, "topic", "next_attempt_at"),
        # SQLite would use the id of a removed row again, and a publisher removes what it published by id.
        {"sqlite_autoincrement": True},
    )


class ParkedMessage(Base):
    """A message that could not be read, kept for an operator."""

    __tablename__ = "parked_messages"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    source: Mapped[str] = mapped_column(String(256))
    message_id: Mapped[str] = mapped_column(String(256))
    data: Mapped[bytes] = mapped_column(LargeBinary)
    attributes: Mapped[dict[str, str]] = mapped_column(JSON)
    reason: Mapped[str] = mapped_column(Text)
    received_at: Mapped[datetime] = mapped_column(UtcTime)


class IdempotencyKey(Base):
    """The stored response to a call with an `Idempotency-Key`."""

    __tablename__ = "idempotency_keys"

    owner: Mapped[str] = mapped_column(String(256), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    body_hash: Mapped[str] = mapped_column(String(64))
    """SHA-256 (hex) of the path and the decoded body."""
    status: Mapped[int] = mapped_column(Integer)
    answer: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(UtcTime, index=True)


class Failover(Base):
    """A planned failover that an administrator requested, and its state."""

    __tablename__ = "failovers"

    operation_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    cluster: Mapped[str] = mapped_column(String(64))
    requested_agent: Mapped[str] = mapped_column(String(64))
    """The agent in the path of the request: the leader, or the standby that takes over."""
    old_primary: Mapped[str | None] = mapped_column(String(64), default=None)
    target: Mapped[str | None] = mapped_column(String(64), default=None)
    """Unset: the best standby."""
    mode: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(Text, default=None)
    requested_by: Mapped[str] = mapped_column(String(256))
    state: Mapped[str] = mapped_column(String(16), default="pending")
    new_primary: Mapped[str | None] = mapped_column(String(64), default=None)
    old_epoch: Mapped[int | None] = mapped_column(BigInteger, default=None)
    """The lease's epoch when it was requested."""
    epoch: Mapped[int | None] = mapped_column(BigInteger, default=None)
    """The new primary's epoch."""
    error: Mapped[str | None] = mapped_column(Text, default=None)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    switched_at: Mapped[datetime | None] = mapped_column(UtcTime, default=None)
    expires_at: Mapped[datetime] = mapped_column(UtcTime)

    __table_args__ = (Index("ix_failovers_cluster", "cluster", "created_at"),)


class Takeover(Base):
    """An agent became the leader."""

    __tablename__ = "takeovers"

    cluster: Mapped[str] = mapped_column(String(64), primary_key=True)
    epoch: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    agent_id: Mapped[str] = mapped_column(String(64))
    taken_at: Mapped[datetime] = mapped_column(UtcTime)
    kind: Mapped[str] = mapped_column(String(16))
    """As the agents name it (at most `LONGEST_KIND`)."""
    reason: Mapped[str] = mapped_column(Text)
    from_agent: Mapped[str | None] = mapped_column(String(64), default=None)
    unled_seconds: Mapped[float | None] = mapped_column(Double, default=None)
    """How long no agent led."""
    clips_resumed: Mapped[int] = mapped_column(BigInteger, default=0)
    """Requests that were in flight and went on afterwards."""
