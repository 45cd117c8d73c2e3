"""Options that the commands share."""

from __future__ import annotations

import argparse
import math
import os
from datetime import datetime

from clipping.clock import parse_rfc3339

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


def a_count(text: str) -> int:
    """An argument such as 50, or 0."""
    if not text.isascii() or not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number")
    return int(text)
