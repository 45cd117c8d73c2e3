"""Migrates a database to the schema that this version needs, and checks its schema."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from api.db.engine import Database
from clipping.errors import ConfigurationError

_FOLDER = Path(__file__).parent.parent / "migrations"


def alembic_config() -> AlembicConfig:
    """Alembic's settings, which are part of the package and not in a separate file."""
    config = AlembicConfig()
    # Alembic interpolates the value, so that percent signs must be escaped.
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    return config


def migrate(database: Database) -> None:
    """Migrate the schema. Atomic and idempotent, also with concurrent calls.

    Raises `QueueUnavailable` when the database can't be reached.
    """
    if database.is_sqlite:
        database.use_wal()
    config = alembic_config()
    with database.exclusive() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def check(database: Database) -> None:
    """Raises `ConfigurationError` when the schema is not the one of this version."""
    wanted = set(ScriptDirectory.from_config(alembic_config()).get_heads())
    with database.read() as session:
        found = set(MigrationContext.configure(session.connection()).get_current_heads())
    if found != wanted:
        raise ConfigurationError(
            [
                f"api.database_url: the database is at schema {', '.join(sorted(found)) or 'none'}, "
                f"this version needs {', '.join(sorted(wanted))}: run `clipping-api migrate`"
            ]
        )
