"""`clipping-api migrate`: brings the database's schema up to date."""

from __future__ import annotations

import argparse

from api.db import schema
from api.db.engine import Database
from api.process.configuration import configured
from clipping.exits import EXIT_OK
from clipping.log import get_logger

log = get_logger(__name__)


def run(arguments: argparse.Namespace) -> int:
    """Migrate the schema. Raises `QueueUnavailable`."""
    config = configured(arguments)
    database = Database(config.api.database_url, connections=2)
    try:
        schema.migrate(database)
    finally:
        database.close()
    log.info("api.migrated")
    return EXIT_OK
