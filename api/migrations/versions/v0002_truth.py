"""What callers watch, list, cancel and repeat; idempotency keys; planned failovers."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def _added() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("revision", sa.BigInteger(), nullable=False, server_default="1"),
        sa.Column("batch_id", sa.String(64)),
        sa.Column("client_item_id", sa.String(128)),
        sa.Column("short", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("traceparent", sa.String(64)),
        sa.Column("estimated_seconds", sa.Double()),
        sa.Column("resumed_count", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("checkpoint", sa.JSON()),
        sa.Column("cancel_requested_at", sa.DateTime(timezone=True)),
        sa.Column("lost_count", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("file_size_bytes", sa.BigInteger()),
    )


def upgrade() -> None:
    _keep_outbox()
    with op.batch_alter_table("requests") as requests:
        # An account's e-mail address may be the owner.
        requests.alter_column("owner", type_=sa.String(256), existing_type=sa.String(64), nullable=False)
        requests.alter_column("updated_at", new_column_name="last_sign_at")
        for column in _added():
            requests.add_column(column)
    _restore_outbox()
    _fill_sizes()
    op.drop_index("ix_requests_mode_status_completed_at", "requests")
    op.create_index("ix_requests_created_at", "requests", ["created_at", "request_id"])
    op.create_index("ix_requests_owner_created_at", "requests", ["owner", "created_at", "request_id"])
    op.create_index("ix_requests_hand_id_created_at", "requests", ["hand_id", "created_at", "request_id"])
    op.create_index("ix_requests_status_last_sign_at", "requests", ["status", "last_sign_at"])
    op.create_index(
        "ix_requests_shorts",
        "requests",
        ["owner", "created_at"],
        sqlite_where=sa.text("short"),
        postgresql_where=sa.text("short"),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("owner", sa.String(256), nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("body_hash", sa.String(64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("owner", "key", name="pk_idempotency_keys"),
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"])
    op.create_table(
        "failovers",
        sa.Column("operation_id", sa.String(64), nullable=False),
        sa.Column("cluster", sa.String(64), nullable=False),
        sa.Column("requested_agent", sa.String(64), nullable=False),
        sa.Column("old_primary", sa.String(64)),
        sa.Column("target", sa.String(64)),
        sa.Column("mode", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("requested_by", sa.String(256), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("new_primary", sa.String(64)),
        sa.Column("old_epoch", sa.BigInteger()),
        sa.Column("epoch", sa.BigInteger()),
        sa.Column("error", sa.Text()),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("switched_at", sa.DateTime(timezone=True)),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("operation_id", name="pk_failovers"),
    )
    op.create_index("ix_failovers_cluster", "failovers", ["cluster", "created_at"])


def downgrade() -> None:
    op.drop_table("failovers")
    op.drop_table("idempotency_keys")
    for name in (
        "shorts",
        "status_last_sign_at",
        "hand_id_created_at",
        "owner_created_at",
        "created_at",
    ):
        op.drop_index(f"ix_requests_{name}", "requests")
    _keep_outbox()
    with op.batch_alter_table("requests") as requests:
        for column in _added():
            requests.drop_column(column.name)
        requests.alter_column("last_sign_at", new_column_name="updated_at")
        requests.alter_column("owner", type_=sa.String(64), existing_type=sa.String(256), nullable=False)
    _restore_outbox()
    op.create_index("ix_requests_mode_status_completed_at", "requests", ["mode", "status", "completed_at"])


def _keep_outbox() -> None:
    # SQLite changes a table by dropping it, which would take the entries that refer to it along.
    if op.get_bind().dialect.name == "sqlite":
        op.execute("CREATE TEMPORARY TABLE outbox_kept AS SELECT * FROM outbox")


def _restore_outbox() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("INSERT OR IGNORE INTO outbox SELECT * FROM outbox_kept")
        op.execute("DROP TABLE outbox_kept")


def _fill_sizes() -> None:
    value = "json_extract(completion, '$.file_size_bytes')"
    if op.get_bind().dialect.name != "sqlite":
        value = "(completion::json ->> 'file_size_bytes')::bigint"
    op.execute(f"UPDATE requests SET file_size_bytes = {value} WHERE completion IS NOT NULL")
