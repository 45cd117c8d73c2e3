"""`clipping recordings`: find a recording."""

from __future__ import annotations

import argparse

from clipping.cli import Command
from clipping.commands.common import a_count, add_connection


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of `clipping recordings`."""
    parser.description = (
        "Lists a folder of recordings, or with --q all that have these words in their path: as agents have "
        "last scanned them, and also those of a root that can't be read now."
    )
    parser.add_argument("--q", metavar="WORDS", help="words of the path, in any order, upper or lower case")
    parser.add_argument("--root", metavar="PATH", help="one of the agents' folders")
    parser.add_argument("--prefix", metavar="FOLDER", help="a folder below the root")
    parser.add_argument("--limit", type=a_count, default=50, help="how many; 0: all (default: 50)")
    parser.add_argument("--ids", action="store_true", help="print ids, for clipping request --recording")
    add_connection(parser)


COMMAND = Command("find recordings", configure, "clipping.commands.run.finding:run")
