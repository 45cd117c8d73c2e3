"""One outbox for all messages, instead of one for clip requests."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    _lock_outbox()
    op.execute("CREATE TABLE outbox_kept AS SELECT * FROM outbox")
    op.drop_table("outbox")
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("topic", sa.String(64), nullable=False),
        sa.Column("key", sa.String(256), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("attributes", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        sa.UniqueConstraint("topic", "key", name="uq_outbox_topic_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_outbox_topic_next_attempt_at", "outbox", ["topic", "next_attempt_at"])
    op.execute(
        "INSERT INTO outbox (topic, key, payload, attributes, created_at, attempts, next_attempt_at) "
        "SELECT 'requests', request_id, data, attributes, created_at, attempts, next_attempt_at "
        "FROM outbox_kept ORDER BY created_at"
    )
    op.execute("DROP TABLE outbox_kept")


def downgrade() -> None:
    """Keeps the clip requests only: the earlier outbox has no other messages."""
    _lock_outbox()
    op.execute("CREATE TABLE outbox_kept AS SELECT * FROM outbox WHERE topic = 'requests'")
    op.drop_table("outbox")
    op.create_table(
        "outbox",
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("attributes", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("request_id", name="pk_outbox"),
        sa.ForeignKeyConstraint(
            ["request_id"], ["requests.request_id"], name="fk_outbox_request_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_outbox_next_attempt_at", "outbox", ["next_attempt_at"])
    op.execute(
        "INSERT INTO outbox (request_id, data, attributes, created_at, attempts, next_attempt_at) "
        "SELECT key, payload, attributes, created_at, attempts, next_attempt_at "
        "FROM outbox_kept WHERE key IN (SELECT request_id FROM requests)"
    )
    op.execute("DROP TABLE outbox_kept")


def _lock_outbox() -> None:
    # An entry that a running instance adds after the copy would be lost. SQLite has one writer anyway.
    if op.get_bind().dialect.name != "sqlite":
        op.execute("LOCK TABLE outbox IN ACCESS EXCLUSIVE MODE")
