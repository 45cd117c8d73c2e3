"""`clipping download`: a completed clip as a file."""

from __future__ import annotations

import argparse
from pathlib import Path

from clipping.cli import Command
from clipping.commands.common import add_connection


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of `clipping download`."""
    parser.description = (
        "Downloads a completed clip or reel and verifies its size and SHA-256. A download that broke off is "
        "resumed from FILE.part."
    )
    parser.add_argument("request_id", metavar="ID", help="a request id")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="a file or a folder (default: HAND_ID.mp4 or another ending, in the working directory)",
    )
    parser.add_argument("--tsv", action="store_true", help="the table of a reel's parts, not the video")
    parser.add_argument("--force", action="store_true", help="replace the file if it exists")
    add_connection(parser)


COMMAND = Command("download a completed clip or reel", configure, "clipping.commands.run.saving:run")
