"""`clipping-api serve`: the API until SIGTERM."""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import sys
from pathlib import Path

from api.app import create_app
from api.db import schema
from api.db.engine import Database, is_locked
from api.process.configuration import configured
from api.server.serving import STOP_SECONDS, CannotListen, Server, bind, check_address, server_of, url_of
from clipping import __version__
from clipping.config import Config
from clipping.errors import QueueUnavailable
from clipping.exits import EXIT_OK
from clipping.log import get_logger
from clipping.processes import with_open_file
from clipping.release import Patience, StillInUse, wait_for, wait_for_port
from clipping.signals import STOPPING

log = get_logger(__name__)

PATIENCE = Patience(lambda sentence: log.warning("start.waiting", reason=sentence))
"""How long to wait for an earlier process that is still exiting."""


def run(arguments: argparse.Namespace) -> int:
    """Prepare the database and serve."""
    config = configured(arguments)
    prepare(config)
    bound = _bound(config.api.host, config.api.port)
    check_address(config.api, [bound.getsockname()[0]])
    url = url_of(bound)
    if config.api.port == 0 and "public_url" not in config.api.model_fields_set:
        # The port could not have been written into the configuration.
        config = config.model_copy(update={"api": config.api.model_copy(update={"public_url": url})})
    app = create_app(config)
    services = app.extensions["clipping"]
    server = server_of(app, bound)
    _stop_once(server)
    services.start()
    log.info("api.ready", url=url, version=__version__)
    if arguments.json:
        sys.stdout.write(json.dumps({"url": url, "pid": os.getpid()}) + "\n")
        sys.stdout.flush()
    server.run()
    services.stop(STOP_SECONDS)
    log.info("api.stopped")
    return EXIT_OK


def prepare(config: Config) -> None:
    """Migrate a SQLite database, which only this machine uses, or check the schema of another database.

    Waits for a process that still holds SQLite's lock. Raises `ConfigurationError` when the schema is not the
    required one, and `StillInUse`.
    """
    database = Database(config.api.database_url, connections=2)
    try:
        if database.is_sqlite:
            _migrate_file(database)
        schema.check(database)
    finally:
        database.close()


def _migrate_file(database: Database) -> None:
    file = Path(str(database.engine.url.database))

    def attempt() -> bool | None:
        try:
            schema.migrate(database)
        except QueueUnavailable as error:
            if is_locked(error):
                return None
            raise
        return True

    wait_for(attempt, f"the database {file}", lambda: with_open_file(file), PATIENCE)


def _stop_once(server: Server) -> None:
    """Stop the server on a signal. Further signals are ignored, as the stop takes seconds and must
    complete."""
    stopped = False

    def stop(*_: object) -> None:
        nonlocal stopped
        if not stopped:
            stopped = True
            server.stop()

    for number in STOPPING:
        signal.signal(number, stop)


def _bound(host: str, port: int) -> socket.socket:
    try:
        wait_for_port(host, port, PATIENCE)
    except StillInUse as error:
        raise CannotListen(
            f"can't listen on {host} port {port}: it is in use by {error.processes}; "
            "stop that first, or choose another api.port"
        ) from None
    return bind(host, port)
