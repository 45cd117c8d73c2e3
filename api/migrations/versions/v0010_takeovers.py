"""Who led when."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "takeovers",
        sa.Column("cluster", sa.String(64), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("agent_id", sa.String(64), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("from_agent", sa.String(64)),
        sa.Column("unled_seconds", sa.Double()),
        sa.Column("clips_resumed", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("cluster", "epoch", name="pk_takeovers"),
    )


def downgrade() -> None:
    op.drop_table("takeovers")
