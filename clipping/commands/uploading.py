"""`clipping upload`: a recording of this machine as one that clips can be cut from."""

from __future__ import annotations

import argparse
from pathlib import Path

from clipping.cli import Command
from clipping.commands.common import add_connection


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of `clipping upload`."""
    parser.description = (
        "Uploads a recording, and prints the URI by which `clipping request` takes it. An upload that breaks "
        "off is repeated, or goes on where the store can do that."
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the recording")
    parser.add_argument(
        "--content-type", metavar="TYPE", help="its type, such as video/mp4 (default: by the file's name)"
    )
    add_connection(parser)


COMMAND = Command("upload a recording", configure, "clipping.commands.run.uploading:run")
