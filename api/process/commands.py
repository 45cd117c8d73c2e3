"""The commands of `clipping-api` and their arguments."""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from api.app import create_app
from api.db import schema
from api.db.engine import Database, is_locked
from api.server.serving import STOP_SECONDS, CannotListen, Server, bind, check_address, server_of, url_of
from clipping import __version__
from clipping.config import Config, load
from clipping.errors import QueueUnavailable
from clipping.exits import EXIT_OK
from clipping.log import get_logger, set_up
from clipping.processes import with_open_file
from clipping.release import Patience, StillInUse, wait_for, wait_for_port
from clipping.signals import STOPPING

log = get_logger(__name__)

PATIENCE = Patience(lambda sentence: log.warning("start.waiting", reason=sentence))
"""How long to wait for an earlier process that is still exiting."""


def run(argv: Sequence[str] | None) -> int:
    """Run the command in the arguments, and return its exit code."""
    arguments = _parser().parse_args(argv)
    config = load(arguments.config)
    set_up(config.log.format, config.log.level, identifier="clipping-api")
    if arguments.command == "migrate":
        return _migrate(config)
    return _serve(config, as_json=arguments.json)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="clipping-api", description="The clipping service's HTTP API.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="serve until SIGTERM")
    serve.add_argument("--json", action="store_true", help="when listening, print one line: url and pid")
    migrate = commands.add_parser("migrate", help="bring the database's schema up to date")
    for command in (serve, migrate):
        command.add_argument("--config", type=Path, metavar="FILE", help="default: built-in values")
    return parser


def _migrate(config: Config) -> int:
    database = Database(config.api.database_url, connections=2)
    try:
        schema.migrate(database)
    finally:
        database.close()
    log.info("api.migrated")
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


def _serve(config: Config, *, as_json: bool) -> int:
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
    if as_json:
        sys.stdout.write(json.dumps({"url": url, "pid": os.getpid()}) + "\n")
        sys.stdout.flush()
    server.run()
    services.stop(STOP_SECONDS)
    log.info("api.stopped")
    return EXIT_OK
