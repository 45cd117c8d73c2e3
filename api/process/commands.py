"""The commands of `clipping-api` and their arguments."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from clipping.arguments import add_version, load


def run(argv: Sequence[str] | None) -> int:
    """Run the command in the arguments, and return its exit code."""
    arguments = _parser().parse_args(argv)
    # Imported here: help needs none of the libraries that the commands load.
    return int(load(arguments.run)(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="clipping-api", description="The clipping service's HTTP API.")
    add_version(parser)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="serve until SIGTERM")
    serve.add_argument("--json", action="store_true", help="when listening, print one line: url and pid")
    serve.set_defaults(run="api.process.serve:run")
    migrate = commands.add_parser("migrate", help="bring the database's schema up to date")
    migrate.set_defaults(run="api.process.migrate:run")
    health = commands.add_parser(
        "health",
        help="whether the API on this machine accepts requests, in one line, for a container's health check",
    )
    health.set_defaults(run="api.process.health:run")
    health.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="default: the one that CLIPPING_CONFIG names, if it is set",
    )
    for command in (serve, migrate):
        command.add_argument("--config", type=Path, metavar="FILE", help="default: built-in values")
    return parser
