"""When the object of a request was stored, where, and whether it was deleted; its newest link."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_TIMES = ("stored_at", "deleted_at", "delete_due_at", "link_signed_at", "link_expires_at")


def upgrade() -> None:
    """The objects of earlier versions count as stored at the last sign of life, and are not deleted during
    the first week: until now, nothing deleted those of a local store."""
    op.add_column("requests", sa.Column("folder", sa.String(16)))
    op.add_column("requests", sa.Column("link_url", sa.Text()))
    for name in _TIMES:
        op.add_column("requests", sa.Column(name, sa.DateTime(timezone=True)))
    week = "datetime('now', '+7 days')" if _is_sqlite() else "now() + interval '7 days'"
    op.execute(
        "UPDATE requests SET stored_at = last_sign_at, "
        "folder = CASE kind WHEN 'reel' THEN 'reels' ELSE 'clips' END, "
        f"delete_due_at = {week} WHERE status = 'completed'"
    )
    op.create_index(
        "ix_requests_stored",
        "requests",
        ["folder", "stored_at"],
        sqlite_where=sa.text("deleted_at IS NULL"),
        postgresql_where=sa.text("deleted_at IS NULL"),
    )


def downgrade() -> None:
    """Requests whose objects are below shorts/ stay; the earlier version finds them expired."""
    op.drop_index("ix_requests_stored", "requests")
    for name in (*_TIMES, "link_url", "folder"):
        op.drop_column("requests", name)


def _is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"
