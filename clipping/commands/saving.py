"""`clipping download`: a completed clip as a file."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn

from clipping.cli import Command
from clipping.commands.common import add_connection, connect, say, say_json
from clipping.exits import EXIT_OK
from clipping.signals import raised_interrupts


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of `clipping download`."""
    parser.description = (
        "Downloads a completed clip and verifies its size and SHA-256. A download that broke off is resumed "
        "from FILE.part."
    )
    parser.add_argument("request_id", metavar="ID", help="a request id")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="a file or a folder (default: HAND_ID.mp4 or another ending, in the working directory)",
    )
    parser.add_argument("--force", action="store_true", help="replace the file if it exists")
    add_connection(parser)


def run(arguments: argparse.Namespace) -> int:
    """Download the clip, and print its path."""
    with connect(arguments) as client, _bar() as progress:
        saved = client.save(
            arguments.request_id, arguments.output, replace=arguments.force, progress=progress
        )
    if arguments.json:
        say_json(
            {
                "request_id": arguments.request_id,
                "path": str(saved.path),
                "file_size_bytes": saved.size,
                "sha256": saved.sha256,
            }
        )
    else:
        say(str(saved.path))
    return EXIT_OK


@contextmanager
def _bar() -> Iterator[Callable[[int, int], None] | None]:
    if not sys.stderr.isatty():
        yield None
        return
    columns = BarColumn(), DownloadColumn(), TransferSpeedColumn()
    with raised_interrupts(), Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("download", total=None)
        yield lambda there, size: progress.update(task, completed=there, total=size)


COMMAND = Command("download a completed clip", configure, run)
