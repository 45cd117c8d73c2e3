"""Shared by the commands: output."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn

from clipping.exits import EXIT_USAGE
from clipping.text import as_one_line


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
    cells = [[name.upper() for name in head], *([as_one_line(str(cell)) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )


def ago(moment: datetime) -> str:
    """The approximate time since then."""
    return _rough((datetime.now(UTC) - moment).total_seconds())


def kept(until: datetime) -> str:
    """How much longer a clip is kept that is deleted at this time."""
    left = (until - datetime.now(UTC)).total_seconds()
    return f"deleted {_rough(-left)} ago" if left <= 0 else f"kept for {_rough(left)}"


def _rough(seconds: float) -> str:
    seconds = max(0.0, seconds)
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
