"""Runs the migrations. Imported only when one is due: Alembic takes longer to load than the whole check."""

from __future__ import annotations

from alembic import command
from alembic.config import Config as AlembicConfig
from sqlalchemy import Connection

from api.db.schema import MIGRATIONS


def alembic_config() -> AlembicConfig:
    """Alembic's settings, which are part of the package and not in a separate file."""
    config = AlembicConfig()
    # Alembic interpolates the value, so that percent signs must be escaped.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def upgrade(connection: Connection) -> None:
    """Migrate to the latest schema, in the connection's transaction."""
    config = alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
