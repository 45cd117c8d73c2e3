"""`clipping recordings`: find a recording."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import islice

from clipping.client import Client
from clipping.commands.run.common import ago, note, say, table
from clipping.commands.run.service import connect
from clipping.contract.preview import RecordingCatalog, RecordingEntry, RecordingRoot
from clipping.exits import EXIT_OK
from clipping.timecode import format_seconds

PAGE = 200


def run(arguments: argparse.Namespace) -> int:
    """Print folders and recordings; roots where there are several, and none was chosen."""
    with connect(arguments) as client:
        pages = _pages(client, arguments)
        first = next(pages)
        found = list(islice(_recordings(first, pages), arguments.limit or None))
    for root in first.roots:
        _note_state(root)
    if not first.roots:
        note("no agent has scanned its roots yet")
    to_choose = first.roots if first.root is None and not arguments.q else []
    if arguments.json:
        for each in (*to_choose, *first.folders, *found):
            say(each.to_json())
        return EXIT_OK
    rows = [("", "", "", f"{root.path}/") for root in to_choose]
    rows += [("", "", "", f"{folder.prefix}/") for folder in first.folders]
    if arguments.ids:
        say(table(("path", "id"), [(each.path, each.id) for each in found]))
    else:
        say(table(("size", "age", "length", "path"), [*rows, *map(_row, found)]))
    return EXIT_OK


def _pages(client: Client, arguments: argparse.Namespace) -> Iterator[RecordingCatalog]:
    cursor: str | None = None
    limit = min(PAGE, arguments.limit or PAGE)
    while True:
        page = client.recordings(
            q=arguments.q, root=arguments.root, prefix=arguments.prefix, limit=limit, cursor=cursor
        )
        yield page
        cursor = page.next_cursor
        if cursor is None:
            return


def _recordings(first: RecordingCatalog, pages: Iterator[RecordingCatalog]) -> Iterator[RecordingEntry]:
    yield from first.recordings
    for page in pages:
        yield from page.recordings


def _row(found: RecordingEntry) -> tuple[str, str, str, str]:
    size = f"{found.size / 1e6:.1f} MB"
    length = "" if found.duration is None else format_seconds(found.duration)
    return size, "growing" if found.growing else ago(found.modified), length, found.path


def _note_state(root: RecordingRoot) -> None:
    if not root.available:
        scanned = f"as of {ago(root.scanned_at)} ago" if root.scanned_at else "never scanned"
        note(f"{root.path} is not available ({scanned}): {root.reason}")
    if root.truncated:
        note(f"{root.path} has more than is listed: too much, or folders that the agent may not read")
