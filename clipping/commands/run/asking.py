"""`clipping request`: request one clip; `clipping plan`: what that would result in."""

from __future__ import annotations

import argparse
import re
from typing import Any

from clipping.client import NewClip
from clipping.commands.run.common import misused, note, say
from clipping.commands.run.service import connect
from clipping.commands.run.watching import follow
from clipping.contract.effects_options import read_effects
from clipping.exits import EXIT_OK

_URI = re.compile("(gs|s3|file)://")
_NAMELESS = "plan"
"""The `hand_id` of a plan for which none is given: it does not matter there."""
_OUTPUT = ("aspect", "fit", "width", "height", "codec", "fps", "max_bytes", "container", "audio")


def run(arguments: argparse.Namespace) -> int:
    """Request the clip. With `--wait`, exit with 1 when the request does not complete."""
    wanted = _wanted(arguments)
    with connect(arguments) as client:
        accepted = client.request(wanted, idempotency_key=arguments.idempotency_key)
        if not arguments.wait:
            say(accepted.to_json() if arguments.json else accepted.request_id)
            return EXIT_OK
        note(f"{accepted.request_id}: place {accepted.queue_position} in the queue")
        return follow(client, accepted.request_id, as_json=arguments.json, only_end=arguments.json)


def run_plan(arguments: argparse.Namespace) -> int:
    """Print the plan. Exit with 1 when the clip can't be made."""
    arguments.hand_id = arguments.hand_id or _NAMELESS
    wanted = _wanted(arguments)
    with connect(arguments) as client:
        plan = client.plan(wanted)
    say(plan.to_json() if arguments.json else plan.text())
    return EXIT_OK


def _effects(arguments: argparse.Namespace) -> dict[str, Any] | None:
    try:
        found = read_effects(arguments.effects, arguments.captions, arguments.captions_mode)
    except ValueError as error:
        misused(str(error))
    return found if arguments.effects is not None or found else None


def _wanted(arguments: argparse.Namespace) -> NewClip:
    given = {name: getattr(arguments, name) for name in _OUTPUT if getattr(arguments, name) is not None}
    name, is_id = arguments.source, arguments.recording
    is_uri = not is_id and _URI.match(name) is not None
    output = {"video_codec" if name == "codec" else name: value for name, value in given.items()}
    return NewClip(
        hand_id=arguments.hand_id,
        nas_video_path=None if is_uri or is_id else name,
        source_uri=name if is_uri else None,
        recording_id=name if is_id else None,
        start_seconds=arguments.start,
        end_seconds=arguments.end,
        output_quality=arguments.quality,
        mode=arguments.mode,
        priority=arguments.priority,
        pre_roll_seconds=arguments.pre_roll,
        post_roll_seconds=arguments.post_roll,
        output=output or None,
        effects=_effects(arguments),
        metadata=dict(arguments.metadata) or None,
    )
