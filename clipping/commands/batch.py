"""`clipping batch`: request every clip of a CSV file, and report the result of each line."""

from __future__ import annotations

import argparse

from clipping.cli import Command
from clipping.commands.columns import OPTIONAL, RECORDING, REQUIRED
from clipping.commands.common import add_connection


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of `clipping batch`."""
    parser.description = (
        f"Requests every clip of a CSV file, with , or ; between the columns. The first line names them: "
        f"{', '.join(REQUIRED)}, {' or '.join(RECORDING)}, and any of {', '.join(OPTIONAL)}. Valid lines "
        "are accepted even if others are not."
    )
    parser.add_argument("file", metavar="FILE.csv", help="the file; - reads standard input")
    parser.add_argument(
        "--wait", action="store_true", help="wait until every clip is completed or has failed"
    )
    add_connection(parser)


COMMAND = Command("request every clip of a CSV file", configure, "clipping.commands.run.batch:run")
