"""`clipping-api`: serve the API, or bring its database up to date."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from api.app import create_app
from api.db import schema
from api.db.engine import Database
from api.serving import STOP_SECONDS, bind, check_address, server_of, url_of
from clipping import __version__
from clipping.config import Config, load
from clipping.exits import EXIT_OK, exit_code
from clipping.log import get_logger, set_up

log = get_logger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Exit codes: 0 done, 1 the operation failed, 2 usage, 78 configuration."""
    arguments = _parser().parse_args(argv)
    return exit_code(lambda: _run(arguments))


def _run(arguments: argparse.Namespace) -> int:
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
    """SQLite is this machine's alone and is brought up to date at the start; other databases are checked.

    Raises `ConfigurationError` when the schema is not the one that is needed.
    """
    database = Database(config.api.database_url, connections=2)
    try:
        if database.is_sqlite:
            schema.migrate(database)
        schema.check(database)
    finally:
        database.close()


def _serve(config: Config, *, as_json: bool) -> int:
    prepare(config)
    bound = bind(config.api.host, config.api.port)
    check_address(config.api, [bound.getsockname()[0]])
    url = url_of(bound)
    if config.api.port == 0 and "public_url" not in config.api.model_fields_set:
        # Nobody could have written the port into the configuration.
        config = config.model_copy(update={"api": config.api.model_copy(update={"public_url": url})})
    app = create_app(config)
    services = app.extensions["clipping"]
    server = server_of(app, bound)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.stop())
    services.start()
    log.info("api.ready", url=url, version=__version__)
    if as_json:
        sys.stdout.write(json.dumps({"url": url, "pid": os.getpid()}) + "\n")
        sys.stdout.flush()
    server.run()
    services.stop(STOP_SECONDS)
    log.info("api.stopped")
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
