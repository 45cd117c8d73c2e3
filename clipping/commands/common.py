"""Shared by the commands: options for the service, and output."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn

from clipping.client import Client, ClipStatus
from clipping.clock import parse_rfc3339
from clipping.exits import EXIT_USAGE

DEFAULT_URL = "http://127.0.0.1:8000"
"""The URL of `clipping up`."""


def add_connection(parser: argparse.ArgumentParser) -> None:
    """`--url`, `--key` and `--json`."""
    parser.add_argument(
        "--url",
        default=os.environ.get("CLIPPING_URL") or DEFAULT_URL,
        help=f"the service (default: CLIPPING_URL, or {DEFAULT_URL})",
    )
    parser.add_argument(
        "--key",
        default=os.environ.get("CLIPPING_KEY") or None,
        help="your key (default: CLIPPING_KEY, which other users of this machine can't see)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, one object per line")


def connect(arguments: argparse.Namespace) -> Client:
    """The client for the options. Raises `ConfigurationError`."""
    return Client(arguments.url, key=arguments.key)


def a_time(text: str) -> datetime:
    """An argument such as 2026-11-20T08:15:30Z, or 2026-11-20."""
    try:
        return parse_rfc3339(f"{text}T00:00:00Z" if len(text) == 10 else text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} {error}") from None


def a_number(text: str) -> float:
    """An argument such as 29.97."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number")
    return number


def misused(*problems: str) -> NoReturn:
    """Exit with a usage error."""
    for problem in problems:
        note(f"clipping: error: {problem}")
    raise SystemExit(EXIT_USAGE)


def say(line: str) -> None:
    """Print a line of the result and flush it, for readers of a pipe."""
    print(line, flush=True)


def note(line: str) -> None:
    """Print a line for the user to stderr."""
    print(line, file=sys.stderr, flush=True)


def say_json(result: Any) -> None:
    """Plain data as one line of JSON."""
    say(json.dumps(result, ensure_ascii=False, default=str))


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table for humans; the last column may be long."""
    cells = [[name.upper() for name in head], *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )


def ago(moment: datetime) -> str:
    """The approximate time since then."""
    seconds = max(0.0, (datetime.now(UTC) - moment).total_seconds())
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def retry_words(clip: ClipStatus, now: datetime) -> str:
    """Why a clip waits for a retry, and for how long. Pure."""
    code = f" after {clip.last_error.code}" if clip.last_error else ""
    attempt = f" (attempt {clip.attempt})" if clip.attempt else ""
    left = (clip.next_attempt_at - now).total_seconds() if clip.next_attempt_at else 0.0
    # The time may have passed, as it is an estimate and clocks may differ.
    when = f"next try in {left:.0f} s" if left >= 1 else "next try soon"
    return f"retrying{code}{attempt}, {when}"


def outcome(clip: ClipStatus) -> str:
    """A request in one line."""
    match clip.status:
        case "completed":
            size = f", {clip.file_size_bytes / 1e6:.1f} MB" if clip.file_size_bytes is not None else ""
            length = f"{clip.duration_seconds:.3f} s" if clip.duration_seconds is not None else "the clip"
            return f"completed: {length}{size}"
        case "failed":
            code = f"{clip.error.code}: " if clip.error else ""
            return f"failed: {code}{clip.error_message or 'no reason given'}"
        case "processing" if clip.stage == "retrying":
            return f"processing: {retry_words(clip, datetime.now(UTC))}"
        case "processing":
            stage = clip.stage or "processing"
            return f"processing: {stage} {clip.progress_percent or 0:.0f} %"
        case _:
            return clip.status
