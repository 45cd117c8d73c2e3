"""`clipping status`, `clipping list` and `clipping cancel`."""

from __future__ import annotations

import argparse
from itertools import islice

from clipping.client import ApiError, ClipStatus
from clipping.commands.run.common import ago, note, say, table
from clipping.commands.run.service import connect, outcome
from clipping.exits import EXIT_FAILED, EXIT_OK


def status(arguments: argparse.Namespace) -> int:
    """Print the status of requests. Exit with 1 when one does not exist."""
    bad = False
    with connect(arguments) as client:
        for request_id in arguments.request_ids:
            try:
                clip = client.status(request_id)
            except ApiError as error:
                bad = True
                note(f"{request_id}: {error.code}: {error.message}")
                continue
            say(clip.to_json() if arguments.json else _text(clip))
    return EXIT_FAILED if bad else EXIT_OK


def cancel(arguments: argparse.Namespace) -> int:
    """Cancel requests. Exit with 1 when one can't be cancelled."""
    bad = False
    with connect(arguments) as client:
        for request_id in arguments.request_ids:
            try:
                clip = client.cancel(request_id)
            except ApiError as error:
                bad = True
                note(f"{request_id}: {error.code}: {error.message}")
                continue
            result = "cancelled" if clip.status == "cancelled" else "is being stopped"
            say(clip.to_json() if arguments.json else f"{request_id}: {result}")
    return EXIT_FAILED if bad else EXIT_OK


def list_clips(arguments: argparse.Namespace) -> int:
    """Requests, newest first."""
    with connect(arguments) as client:
        found = client.clips(
            hand_id=arguments.hand_id,
            status=arguments.status,
            created_after=arguments.after,
            created_before=arguments.before,
        )
        shown = islice(found, arguments.limit or None)
        if arguments.json:
            for clip in shown:
                say(clip.to_json())
            return EXIT_OK
        rows = [(clip.request_id, clip.hand_id, ago(clip.created_at), outcome(clip)) for clip in shown]
    say(table(("request", "hand", "age", "status"), rows))
    return EXIT_OK


def _text(clip: ClipStatus) -> str:
    lines = [f"{clip.request_id}  {clip.hand_id}  {outcome(clip)}"]
    if clip.last_error:
        error = clip.last_error
        lines.append(f"  last error, {ago(error.at)} ago: {error.code}: {error.message}")
    if clip.report:
        actual = clip.report.actual
        lines.append(f"  {clip.report.mode}, {actual.start:.3f} to {actual.end:.3f} s of the recording")
        lines += [f"  note: {warning}" for warning in clip.report.warnings]
    if clip.download_url:
        lines.append(f"  {clip.download_url}")
    return "\n".join(lines)
