"""`clipping request`: ask for one clip."""

from __future__ import annotations

import argparse
from typing import get_args

from clipping.arguments import a_moment
from clipping.cli import Command
from clipping.client import NewClip
from clipping.commands.common import a_number, add_connection, connect, note, say
from clipping.commands.watching import follow
from clipping.contract.messages import Mode, Priority
from clipping.contract.output import Aspect, ContainerName, Fit, Quality, VideoCodec
from clipping.exits import EXIT_OK

_OUTPUT = ("aspect", "fit", "width", "height", "codec", "fps", "max_bytes", "container")


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of `clipping request`."""
    parser.add_argument("source", metavar="SRC", help="the recording: its absolute path on the NAS")
    parser.add_argument("start", type=a_moment, help="seconds, or a time such as 3:24:15.5")
    parser.add_argument("end", type=a_moment, help="seconds, or a time")
    parser.add_argument("--hand-id", required=True, help="your name for the clip, and its file's name")
    parser.add_argument("--mode", choices=get_args(Mode), help="default: the service's")
    parser.add_argument("--quality", choices=get_args(Quality), help="default: high")
    parser.add_argument("--priority", choices=get_args(Priority), help="default: normal")
    parser.add_argument("--pre-roll", type=a_moment, metavar="SECONDS", help="more before the start")
    parser.add_argument("--post-roll", type=a_moment, metavar="SECONDS", help="more after the end")
    look = parser.add_argument_group("another look than the recording's")
    look.add_argument("--aspect", choices=get_args(Aspect))
    look.add_argument("--fit", choices=get_args(Fit))
    look.add_argument("--width", type=int, metavar="PIXELS")
    look.add_argument("--height", type=int, metavar="PIXELS")
    look.add_argument("--codec", choices=get_args(VideoCodec), help="default of an encode: h264")
    look.add_argument("--fps", type=a_number)
    look.add_argument("--max-bytes", type=int)
    look.add_argument("--container", choices=get_args(ContainerName))
    parser.add_argument(
        "--metadata",
        action="append",
        type=_pair,
        default=[],
        metavar="KEY=VALUE",
        help="given back unchanged; repeatable",
    )
    parser.add_argument(
        "--idempotency-key", metavar="KEY", help="the same key again gives the same clip, for a day"
    )
    parser.add_argument("--wait", action="store_true", help="stay until the clip is there, or has failed")
    add_connection(parser)


def run(arguments: argparse.Namespace) -> int:
    """Ask; with `--wait`, exit 1 when there will be no clip."""
    wanted = _wanted(arguments)
    with connect(arguments) as client:
        accepted = client.request(wanted, idempotency_key=arguments.idempotency_key)
        if not arguments.wait:
            say(accepted.to_json() if arguments.json else accepted.request_id)
            return EXIT_OK
        note(f"{accepted.request_id}: place {accepted.queue_position} in the queue")
        return follow(client, accepted.request_id, as_json=arguments.json, only_end=arguments.json)


def _wanted(arguments: argparse.Namespace) -> NewClip:
    given = {name: getattr(arguments, name) for name in _OUTPUT if getattr(arguments, name) is not None}
    output = {"video_codec" if name == "codec" else name: value for name, value in given.items()}
    return NewClip(
        hand_id=arguments.hand_id,
        nas_video_path=arguments.source,
        start_seconds=arguments.start,
        end_seconds=arguments.end,
        output_quality=arguments.quality,
        mode=arguments.mode,
        priority=arguments.priority,
        pre_roll_seconds=arguments.pre_roll,
        post_roll_seconds=arguments.post_roll,
        output=output or None,
        metadata=dict(arguments.metadata) or None,
    )


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    return name, value


COMMAND = Command("ask for a clip", configure, run)
