"""Why a request is tried again, and when."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("requests", sa.Column("last_error", sa.JSON()))
    op.add_column("requests", sa.Column("next_attempt_at", sa.DateTime(timezone=True)))


def downgrade() -> None:
    op.drop_column("requests", "next_attempt_at")
    op.drop_column("requests", "last_error")
