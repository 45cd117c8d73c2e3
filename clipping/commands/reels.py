"""`clipping reel` and `clipping annotate`: parts of recordings, joined into one video."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import get_args

from clipping.cli import Command
from clipping.commands.common import a_number, add_connection
from clipping.contract.choices import Mode, TransitionType


def configure_reel(parser: argparse.ArgumentParser) -> None:
    """The arguments of `clipping reel`."""
    parser.add_argument(
        "file", type=Path, metavar="FILE.json", help="the request: reel_id, clips, transition, …; -: stdin"
    )
    parser.add_argument(
        "--transition", choices=get_args(TransitionType), help="in place of the file's transition.type"
    )
    parser.add_argument(
        "--duration", type=a_number, metavar="SECONDS", help="in place of the file's transition.duration"
    )
    parser.add_argument("--mode", choices=get_args(Mode), help="in place of the file's mode")
    parser.add_argument(
        "--idempotency-key",
        metavar="KEY",
        help="a repeated request with this key returns the same reel, for 24 hours",
    )
    parser.add_argument(
        "--watch", action="store_true", help="watch until the reel is completed or has failed"
    )
    add_connection(parser)


def configure_annotate(parser: argparse.ArgumentParser) -> None:
    """The arguments of `clipping annotate`."""
    parser.description = (
        "Requests what the annotations of a recording become: a reel of all of them with their names burned "
        "in, a clip of each good one, or a table. Prints a request id a line."
    )
    parser.add_argument(
        "file",
        type=Path,
        metavar="FILE.json",
        help='the annotations: {"clips": [{"start_time": …}]}; -: stdin',
    )
    parser.add_argument(
        "--recording", required=True, metavar="PATH", help="the recording's absolute path on the NAS"
    )
    parser.add_argument(
        "--id", required=True, metavar="NAME", dest="name", help="names the reel, and begins the clips' names"
    )
    parser.add_argument("--review", action="store_true", help="request the reel of all annotations")
    parser.add_argument("--clips", action="store_true", help="request a clip of each good annotation")
    parser.add_argument(
        "--min-rating",
        type=_rating,
        metavar="RATING",
        default=4,
        help="the lowest rating that becomes a clip (default: 4)",
    )
    parser.add_argument("--mode", choices=get_args(Mode), default="copy", help="of the clips (default: copy)")
    parser.add_argument("--tsv", type=Path, metavar="OUT", help="write the table to this file; -: stdout")
    parser.add_argument(
        "--idempotency-key",
        metavar="KEY",
        help="repeated requests with this key return the same reel and clips, for 24 hours",
    )
    add_connection(parser)


def _rating(text: str) -> int:
    if text not in ("1", "2", "3", "4", "5"):
        raise argparse.ArgumentTypeError(f"{text!r} is not 1, 2, 3, 4 or 5")
    return int(text)


REEL = Command(
    "request a reel: parts of recordings in one video", configure_reel, "clipping.commands.run.reels:reel"
)
ANNOTATE = Command(
    "request a recording's annotations as a reel, as clips or as a table",
    configure_annotate,
    "clipping.commands.run.reels:annotated",
)
