"""The order of the changes of requests, kept by triggers: processes of earlier versions keep it, too."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_SQLITE = """
CREATE TRIGGER requests_{name} AFTER {event} ON requests BEGIN
    UPDATE change_counter SET value = value + 1;
    UPDATE requests SET change_id = (SELECT value FROM change_counter) WHERE request_id = NEW.request_id;
END
"""
_FUNCTION = """
CREATE FUNCTION requests_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.change_id := txid_current();
    RETURN NEW;
END $$
"""
_POSTGRESQL = "CREATE TRIGGER requests_{name} BEFORE {event} ON requests FOR EACH ROW EXECUTE FUNCTION {do}"
_EVENTS = {"inserted": "INSERT", "changed": "UPDATE OF revision"}


def upgrade() -> None:
    op.add_column("requests", sa.Column("change_id", sa.BigInteger(), nullable=False, server_default="0"))
    op.create_index("ix_requests_changes", "requests", ["change_id", "request_id"])
    op.create_table(
        "change_counter",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_change_counter"),
    )
    op.execute("INSERT INTO change_counter (id, value) VALUES (1, 0)")
    if not _is_sqlite():
        op.execute(_FUNCTION)
    for name, event in _EVENTS.items():
        statement = _SQLITE if _is_sqlite() else _POSTGRESQL
        op.execute(statement.format(name=name, event=event, do="requests_changed()"))


def downgrade() -> None:
    for name in _EVENTS:
        op.execute(f"DROP TRIGGER requests_{name}" + ("" if _is_sqlite() else " ON requests"))
    if not _is_sqlite():
        op.execute("DROP FUNCTION requests_changed()")
    op.drop_table("change_counter")
    op.drop_index("ix_requests_changes", "requests")
    op.drop_column("requests", "change_id")


def _is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"
