"""`clipping status`, `clipping list`, `clipping cancel` and `clipping retry`."""

from __future__ import annotations

import argparse
from typing import get_args

from clipping.cli import Command
from clipping.commands.common import a_count, a_time, add_connection
from clipping.contract.choices import Kind, Status


def _ids(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("request_ids", metavar="ID", nargs="+", help="a request id")
    add_connection(parser)


def configure_list(parser: argparse.ArgumentParser) -> None:
    """The arguments of `clipping list`."""
    parser.add_argument("--kind", choices=get_args(Kind), help="only clips, or only reels")
    parser.add_argument("--hand-id", help="only clips of this hand, or reels of this reel_id")
    parser.add_argument("--status", choices=get_args(Status), help="only requests with this status")
    parser.add_argument(
        "--after",
        type=a_time,
        metavar="TIME",
        help="only requests created after, such as 2026-11-20T08:00:00Z",
    )
    parser.add_argument("--before", type=a_time, metavar="TIME", help="only requests created before")
    parser.add_argument(
        "--limit", type=a_count, default=50, help="how many, newest first; 0: all (default: 50)"
    )
    add_connection(parser)


STATUS = Command("show the status of requests", _ids, "clipping.commands.run.looking:status")
CANCEL = Command(
    "cancel requests: waiting ones are never cut, running ones stop",
    _ids,
    "clipping.commands.run.looking:cancel",
)
RETRY = Command(
    "request again what has failed, was cancelled or has expired",
    _ids,
    "clipping.commands.run.looking:retry",
)
LIST = Command("list requests, newest first", configure_list, "clipping.commands.run.looking:list_clips")
