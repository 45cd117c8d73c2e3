"""`clipping status`, `clipping list`, `clipping cancel` and `clipping retry`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from itertools import islice
from typing import TypeVar

from clipping.client import Accepted, ApiError, ClipStatus
from clipping.commands.run.common import ago, kept, note, say, table
from clipping.commands.run.service import connect, outcome
from clipping.exits import EXIT_FAILED, EXIT_OK

Found = TypeVar("Found", ClipStatus, Accepted)


def status(arguments: argparse.Namespace) -> int:
    """Print the status of requests. Exit with 1 when one does not exist."""
    with connect(arguments) as client:
        return _each(arguments, client.status, _text)


def cancel(arguments: argparse.Namespace) -> int:
    """Cancel requests. Exit with 1 when one can't be cancelled."""

    def result(clip: ClipStatus) -> str:
        return f"{clip.request_id}: {'cancelled' if clip.status == 'cancelled' else 'is being stopped'}"

    with connect(arguments) as client:
        return _each(arguments, client.cancel, result)


def retry(arguments: argparse.Namespace) -> int:
    """Request again, and print the new request ids. Exit with 1 when one can't be retried."""
    with connect(arguments) as client:
        return _each(arguments, client.retry, lambda accepted: accepted.request_id)


def _each(arguments: argparse.Namespace, call: Callable[[str], Found], text: Callable[[Found], str]) -> int:
    """Print the result of a call for each request, or why it failed."""
    failed = False
    for request_id in arguments.request_ids:
        try:
            found = call(request_id)
        except ApiError as error:
            failed = True
            note(f"{request_id}: {error.code}: {error.message}")
            continue
        say(found.to_json() if arguments.json else text(found))
    return EXIT_FAILED if failed else EXIT_OK


def list_clips(arguments: argparse.Namespace) -> int:
    """Requests, newest first."""
    with connect(arguments) as client:
        found = client.clips(
            kind=arguments.kind,
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
        rows = [(clip.request_id, clip.hand_id, ago(clip.created_at), _line(clip)) for clip in shown]
    say(table(("request", "hand", "age", "status"), rows))
    return EXIT_OK


def _line(clip: ClipStatus) -> str:
    return f"{outcome(clip)}, {kept(clip.expires_at)}" if clip.expires_at else outcome(clip)


def _text(clip: ClipStatus) -> str:
    lines = [f"{clip.request_id}  {clip.hand_id}  {outcome(clip)}"]
    if clip.last_error:
        error = clip.last_error
        lines.append(f"  last error, {ago(error.at)} ago: {error.code}: {error.message}")
    if clip.parts and not clip.finished:
        lines += [f"  clips[{part.index}]: {part.stage} {part.progress_percent:.0f} %" for part in clip.parts]
    if clip.report and clip.report.parts:
        for part in clip.report.parts:
            of = f"{part.actual.start:.3f} to {part.actual.end:.3f} s of its recording"
            lines.append(f"  clips[{part.index}], at {part.start_seconds:.3f} s: {part.mode}, {of}")
            lines += [f"  note: clips[{part.index}]: {warning}" for warning in part.warnings]
    elif clip.report:
        actual = clip.report.actual
        lines.append(f"  {clip.report.mode}, {actual.start:.3f} to {actual.end:.3f} s of the recording")
        lines += [f"  note: {warning}" for warning in clip.report.warnings]
    if clip.download_url:
        lines.append(f"  {clip.download_url}")
    if clip.expires_at:
        lines.append(f"  {kept(clip.expires_at)}")
    return "\n".join(lines)
