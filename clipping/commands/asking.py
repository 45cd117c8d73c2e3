"""`clipping request`: request one clip; `clipping plan`: what that would result in."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import get_args

from clipping.arguments import a_moment
from clipping.cli import Command
from clipping.commands.common import a_number, add_connection
from clipping.contract.choices import (
    Aspect,
    CaptionsMode,
    ContainerName,
    Fit,
    Mode,
    Priority,
    Quality,
    VideoCodec,
)


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of `clipping request`."""
    _configure_clip(parser, needs_hand_id=True)
    parser.add_argument(
        "--idempotency-key",
        metavar="KEY",
        help="a repeated request with this key returns the same clip, for 24 hours",
    )
    parser.add_argument("--wait", action="store_true", help="wait until the clip is completed or has failed")
    add_connection(parser)


def configure_plan(parser: argparse.ArgumentParser) -> None:
    """The arguments of `clipping plan`."""
    parser.description = (
        "Prints where the clip of a request would begin and end, how it would be made, about how large it "
        "would be and how long that would take. Takes the arguments of `clipping request`; requests nothing."
    )
    _configure_clip(parser, needs_hand_id=False)
    add_connection(parser)


def _configure_clip(parser: argparse.ArgumentParser, *, needs_hand_id: bool) -> None:
    parser.add_argument(
        "source",
        metavar="SRC",
        help="the recording: its absolute path on the NAS, or gs://BUCKET/KEY or s3://BUCKET/KEY",
    )
    parser.add_argument(
        "--recording", action="store_true", help="SRC is the id of a recording: clipping recordings --ids"
    )
    parser.add_argument("start", type=a_moment, help="in-point: seconds, or a time such as 3:24:15.5")
    parser.add_argument("end", type=a_moment, help="out-point: seconds, or a time")
    parser.add_argument("--hand-id", required=needs_hand_id, help="names the clip and the downloaded file")
    parser.add_argument(
        "--mode",
        choices=get_args(Mode),
        help="default: copy for quality high, encode for medium, unless the service sets another",
    )
    parser.add_argument("--quality", choices=get_args(Quality), help="default: high")
    parser.add_argument("--priority", choices=get_args(Priority), help="default: normal")
    parser.add_argument("--pre-roll", type=a_moment, metavar="SECONDS", help="add this much before the start")
    parser.add_argument("--post-roll", type=a_moment, metavar="SECONDS", help="add this much after the end")
    look = parser.add_argument_group("output that differs from the recording")
    look.add_argument("--aspect", choices=get_args(Aspect), help="9:16 is 1080x1920")
    look.add_argument("--fit", choices=get_args(Fit), help="into another shape; default: center_crop")
    look.add_argument("--width", type=int, metavar="PIXELS", help="an even number")
    look.add_argument("--height", type=int, metavar="PIXELS", help="an even number")
    look.add_argument("--codec", choices=get_args(VideoCodec), help="default of an encode: h264")
    look.add_argument("--fps", type=a_number, metavar="RATE", help="frames per second")
    look.add_argument("--max-bytes", type=int, metavar="BYTES", help="the maximum size of the file")
    look.add_argument(
        "--container", choices=get_args(ContainerName), help="default: as the recording and codecs need"
    )
    look.add_argument(
        "--no-audio", dest="audio", action="store_false", default=None, help="leave the audio out"
    )
    look.add_argument(
        "--effects",
        type=Path,
        metavar="FILE.json",
        help="framing, segments, overlay, title and captions: the field effects of a request",
    )
    look.add_argument(
        "--captions",
        type=Path,
        metavar="FILE",
        help="SubRip (.srt) or WebVTT (.vtt) in UTF-8, with times from the start of the clip",
    )
    look.add_argument(
        "--captions-mode",
        choices=get_args(CaptionsMode),
        help="burn (the default) draws them into the frames, track makes a text track",
    )
    parser.add_argument(
        "--metadata",
        action="append",
        type=_pair,
        default=[],
        metavar="KEY=VALUE",
        help="returned unchanged; may be repeated",
    )


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    return name, value


COMMAND = Command("request a clip", configure, "clipping.commands.run.asking:run")
PLAN = Command("what a request would result in", configure_plan, "clipping.commands.run.asking:run_plan")
