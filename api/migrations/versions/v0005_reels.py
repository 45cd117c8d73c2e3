"""Reels beside clips, and the progress of their parts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("requests", sa.Column("kind", sa.String(16), nullable=False, server_default="clip"))
    op.add_column("requests", sa.Column("parts", sa.JSON()))
    op.create_index(
        "ix_requests_reels",
        "requests",
        ["created_at", "request_id"],
        sqlite_where=sa.text("kind = 'reel'"),
        postgresql_where=sa.text("kind = 'reel'"),
    )


def downgrade() -> None:
    """Removes the reels: the earlier version can't read them."""
    op.execute("DELETE FROM outbox WHERE key IN (SELECT request_id FROM requests WHERE kind = 'reel')")
    op.execute("DELETE FROM requests WHERE kind = 'reel'")
    op.drop_index("ix_requests_reels", "requests")
    op.drop_column("requests", "parts")
    op.drop_column("requests", "kind")
