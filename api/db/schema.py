"""Migrates a database to the schema that this version needs, and checks its schema."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from pkgutil import resolve_name

from sqlalchemy import Connection, inspect, text

from api.db.engine import Database
from clipping.errors import ConfigurationError

MIGRATIONS = Path(__file__).parent.parent / "migrations"


@cache
def latest() -> str:
    """The revision of the last migration, from the names of their files: `v0004_outbox.py` is 0004."""
    files = (MIGRATIONS / "versions").glob("v[0-9]*_*.py")
    return max(file.name.partition("_")[0].removeprefix("v") for file in files)


def migrate(database: Database) -> None:
    """Migrate the schema. Atomic and idempotent, also with concurrent calls.

    Waits for the database's write lock even when there is nothing to migrate. Raises `QueueUnavailable` when
    the database can't be reached.
    """
    if database.is_sqlite:
        database.use_wal()
    # Loaded before the transaction, for which others wait only seconds.
    upgrade = _nothing if revisions(database) == {latest()} else _loaded_upgrade()
    with database.exclusive() as connection:
        upgrade(connection)


def check(database: Database) -> None:
    """Raises `ConfigurationError` when the schema is not the one of this version."""
    found = revisions(database)
    if found != {latest()}:
        raise ConfigurationError(
            [
                f"api.database_url: the database is at schema {', '.join(sorted(found)) or 'none'}, "
                f"this version needs {latest()}: run `clipping-api migrate`"
            ]
        )


def revisions(database: Database) -> set[str]:
    """The schema's revision, as Alembic stores it; empty in a new database."""
    with database.read() as session:
        if not inspect(session.connection()).has_table("alembic_version"):
            return set()
        return set(session.scalars(text("SELECT version_num FROM alembic_version")))


def _loaded_upgrade() -> Callable[[Connection], None]:
    found: Callable[[Connection], None] = resolve_name("api.db.upgrade:upgrade")
    return found


def _nothing(connection: Connection) -> None:
    pass
