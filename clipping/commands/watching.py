"""`clipping watch`: follow requests to their end, with a bar on a terminal and plain lines elsewhere."""

from __future__ import annotations

import argparse

from clipping.cli import Command
from clipping.commands.common import a_number, add_connection


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of `clipping watch`."""
    parser.add_argument("request_id", metavar="ID", help="a request id")
    parser.add_argument(
        "--timeout", type=a_number, metavar="SECONDS", help="stop watching after this long (default: never)"
    )
    add_connection(parser)


COMMAND = Command("follow a request until it ends", configure, "clipping.commands.run.watching:run")
