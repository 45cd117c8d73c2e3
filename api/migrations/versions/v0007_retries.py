"""Which request retries which one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_NAMES = ("retry_of", "retried_as")


def upgrade() -> None:
    for name in _NAMES:
        op.add_column("requests", sa.Column(name, sa.String(64)))


def downgrade() -> None:
    for name in _NAMES:
        op.drop_column("requests", name)
