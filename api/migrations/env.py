"""Alembic's entry: runs the migrations on the connection and in the transaction it is given."""

from __future__ import annotations

from alembic import context

from api.db.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    transactional_ddl=True,
    render_as_batch=True,
)
context.run_migrations()
