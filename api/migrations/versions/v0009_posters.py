"""The newest links to what lies beside a request's object."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_COLUMNS = ("poster_link_url", "contact_sheet_link_url")


def upgrade() -> None:
    for name in _COLUMNS:
        op.add_column("requests", sa.Column(name, sa.Text()))


def downgrade() -> None:
    for name in _COLUMNS:
        op.drop_column("requests", name)
