"""`clipping stats`: statistics over a period."""

from __future__ import annotations

import argparse
from typing import get_args

from clipping.cli import Command
from clipping.commands.common import add_connection
from clipping.contract.choices import Period


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of `clipping stats`."""
    parser.add_argument("--period", choices=get_args(Period), default="24h", help="default: %(default)s")
    add_connection(parser)


COMMAND = Command("show statistics over a period", configure, "clipping.commands.run.stats:run")
