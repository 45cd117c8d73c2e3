"""`clipping batch`: request every clip of a CSV file, and report the result of each line."""

from __future__ import annotations

import argparse
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import StringIO
from itertools import islice
from pathlib import Path

from clipping.client import Client, NewClip, Refused, Unavailable
from clipping.client.client import MAX_BATCH
from clipping.commands.run.common import misused, note, say, say_json
from clipping.commands.run.service import connect, outcome
from clipping.commands.run.sheet import BadSheet, Row, rows
from clipping.contract.results import BatchItem, Problem
from clipping.errors import QuotaExceeded
from clipping.exits import EXIT_FAILED, EXIT_OK

_LOOKED_AT = 8
"""The number of clips to poll in one round: they end roughly in the order in which they were requested."""
_ROUND_SECONDS = 1.5


@dataclass(frozen=True)
class Sent:
    """A line and its result."""

    row: Row
    request_id: str | None
    problem: Problem | None


def run(arguments: argparse.Namespace) -> int:
    """Exit with 1 when a line was refused or, with `--wait`, was not completed."""
    wanted = _rows(arguments.file)
    with connect(arguments) as client:
        waiting: deque[Sent] = deque()
        failed = 0
        total = 0
        for sent in _send_all(client, wanted):
            total += 1
            _print_sent(sent, as_json=arguments.json)
            if sent.request_id is None:
                failed += 1
            elif arguments.wait:
                waiting.append(sent)
        note(f"{total - failed} of {total} accepted")
        if waiting:
            completed = _wait(client, waiting, as_json=arguments.json)
            note(f"{completed} of {total} completed")
            failed = total - completed
    return EXIT_FAILED if failed else EXIT_OK


def _send_all(client: Client, all_rows: Iterable[Row]) -> Iterator[Sent]:
    """Send in chunks, but print in the file's order."""
    iterator = iter(all_rows)
    while chunk := list(islice(iterator, MAX_BATCH)):
        good = [row for row in chunk if row.clip is not None]
        items = dict(zip((row.line for row in good), _send(client, good), strict=True))
        for row in chunk:
            item = items.get(row.line)
            if item is None:
                yield Sent(row, None, Problem(code="INVALID_REQUEST", message=row.problem))
            else:
                yield Sent(row, item.request_id, item.error)


def _send(client: Client, good: list[Row]) -> list[BatchItem]:
    clips = [row.clip for row in good if row.clip is not None]
    if not clips:
        return []
    try:
        return client.batch(clips).items
    except (Refused, Unavailable) as error:
        _check_final(error)
        # None of them is accepted, but the response has only the first error.
        return [_send_one(client, clip) for clip in clips]


def _send_one(client: Client, clip: NewClip) -> BatchItem:
    try:
        if clip.client_item_id is not None:  # only a batch knows this field
            return client.batch([clip]).items[0]
        return BatchItem(request_id=client.request(clip).request_id)
    except (Refused, Unavailable) as error:
        _check_final(error)
        return BatchItem(error=Problem(code=error.code, message=error.message, field=error.field))


def _check_final(error: Refused | Unavailable) -> None:
    """Raise the error unless it is about a clip, as for a quota that is used up for hours."""
    if isinstance(error, Unavailable) and error.code != QuotaExceeded.code:
        raise error


def _print_sent(sent: Sent, *, as_json: bool) -> None:
    if as_json:
        result = {"line": sent.row.line, "hand_id": sent.row.hand_id, "request_id": sent.request_id}
        if sent.problem is not None:
            result["error"] = sent.problem.model_dump(exclude_none=True)
        say_json({name: value for name, value in result.items() if value is not None})
    elif sent.problem is not None:
        say(f"line {sent.row.line}: {sent.row.hand_id or '?'}: {sent.problem.message}")
    else:
        say(f"line {sent.row.line}: {sent.row.hand_id}: {sent.request_id}")


def _wait(client: Client, waiting: deque[Sent], *, as_json: bool) -> int:
    """Wait until all have ended. Returns how many were completed."""
    completed = 0
    while waiting:
        ended = False
        for _ in range(min(_LOOKED_AT, len(waiting))):
            sent = waiting.popleft()
            assert sent.request_id is not None, "only what was accepted is waited for"
            clip = client.status(sent.request_id)
            if not clip.finished:
                waiting.append(sent)
                continue
            ended = True
            completed += clip.status == "completed"
            if as_json:
                say_json({"line": sent.row.line, **clip.model_dump(mode="json", exclude_none=True)})
            else:
                link = f" {clip.download_url}" if clip.download_url else ""
                say(f"line {sent.row.line}: {clip.hand_id}: {outcome(clip)}{link}")
        if waiting and not ended:
            time.sleep(_ROUND_SECONDS)
    return completed


def _rows(name: str) -> list[Row]:
    """Read all rows before requesting any, so that an invalid file has no effect."""
    try:
        return list(rows(_lines(name)))
    except BadSheet as error:
        misused(*error.problems)
    except OSError as error:
        misused(f"{name}: {error.strerror}")
    except UnicodeDecodeError:
        misused(f"{name}: not UTF-8")


def _lines(name: str) -> Iterable[str]:
    if name == "-":
        return sys.stdin
    return StringIO(Path(name).read_bytes().decode("utf-8-sig"), newline="")
