"""`clipping download`: a completed clip as a file."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn

from clipping.commands.run.common import say, say_json
from clipping.commands.run.service import connect
from clipping.exits import EXIT_OK
from clipping.signals import raised_interrupts


def run(arguments: argparse.Namespace) -> int:
    """Download the clip, and print its path."""
    with connect(arguments) as client, bar("download") as progress:
        saved = client.save(
            arguments.request_id,
            arguments.output,
            file="tsv" if arguments.tsv else "video",
            replace=arguments.force,
            progress=progress,
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
def bar(words: str) -> Iterator[Callable[[int, int], None] | None]:
    """A bar of bytes on a terminal, and a function that moves it; None elsewhere."""
    if not sys.stderr.isatty():
        yield None
        return
    columns = BarColumn(), DownloadColumn(), TransferSpeedColumn()
    with raised_interrupts(), Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(words, total=None)
        yield lambda there, size: progress.update(task, completed=there, total=size)
