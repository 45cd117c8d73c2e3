"""`clipping watch`: follow requests to their end, with a bar on a terminal and plain lines elsewhere."""

from __future__ import annotations

import argparse
import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Protocol

from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from clipping.client import Client, ClipStatus, Event, NoAnswer, Unavailable
from clipping.commands.run.common import note, say, say_json
from clipping.commands.run.service import connect, outcome, retry_words
from clipping.exits import EXIT_FAILED, EXIT_OK
from clipping.signals import raised_interrupts

SLOW_SECONDS = 5.0
"""After this long without a response, a notice is printed: a healthy service responds at once."""


def run(arguments: argparse.Namespace) -> int:
    """Follow requests. Exit with 1 when one does not complete. `--json`: each event is a line."""
    with connect(arguments) as client:
        return follow(client, arguments.request_id, as_json=arguments.json, timeout=arguments.timeout)


def follow(
    client: Client,
    request_id: str,
    *,
    as_json: bool,
    only_end: bool = False,
    timeout: float | None = None,
) -> int:
    """Show the events, then the final status. `only_end` with `as_json`: only the final status."""
    with _shown(request_id, quiet=as_json) as show:
        for event in _events(client, request_id, timeout):
            if as_json and not only_end:
                say_json({"event": event.kind, "id": event.event_id, "data": event.data})
            show.event(event)
    clip = client.status(request_id)
    if as_json:
        if only_end:
            say(clip.to_json())
    else:
        print_end(clip)
    return EXIT_OK if clip.status == "completed" else EXIT_FAILED


def _events(client: Client, request_id: str, timeout: float | None) -> Iterator[Event]:
    """The service's events or, when it opens no more streams, only the end."""
    noted = False

    def note_once(error: NoAnswer | Unavailable) -> None:
        nonlocal noted
        if not noted:
            slow.cancel()
            note(f"{request_id}: {error.message}: trying again")
        noted = True

    # A service that accepts the connection but does not respond has not failed yet.
    slow = threading.Timer(SLOW_SECONDS, note, [f"{request_id}: the service has not answered yet"])
    slow.daemon = True
    slow.start()
    try:
        for event in client.events(request_id, timeout=timeout, on_failure=note_once):
            slow.cancel()
            noted = False
            yield event
    except Unavailable as error:
        note(f"{request_id}: {error.code}: polling instead")
        clip = client.wait(request_id, timeout=timeout)
        yield Event(event_id=None, kind=clip.status, data=json.loads(clip.to_json()))
    finally:
        slow.cancel()


def print_end(clip: ClipStatus) -> None:
    """Print the end of a request: the link to stdout, the rest to stderr."""
    note(f"{clip.request_id}: {outcome(clip)}")
    if clip.download_url:
        say(clip.download_url)


def waiting(event: Event) -> ClipStatus | None:
    """The clip, if it waits for a retry. None if fields are missing, as in events of other versions."""
    if event.data.get("stage") != "retrying":
        return None
    try:
        return ClipStatus.model_validate(event.data)
    except ValidationError:
        return None


def parts_words(event: Event) -> str:
    """How many parts of a reel are completed; empty for a clip, and before the first."""
    parts = event.data.get("parts")
    if not isinstance(parts, list) or event.data.get("status") != "processing":
        return ""
    done = sum(isinstance(part, dict) and part.get("stage") == "completed" for part in parts)
    return f", {done} of {len(parts)} parts"


class _Show(Protocol):
    def event(self, event: Event) -> None:
        """Show an event."""
        ...


class _Silent:
    def event(self, event: Event) -> None:
        pass


class _Lines:
    """Prints a line for each change of status or stage, and for each retry."""

    def __init__(self, request_id: str) -> None:
        self._request_id = request_id
        self._last = ""
        self._shown: tuple[int | None, str, str] | None = None
        """Attempt, code and message of the last wait shown: one attempt may wait many times."""

    def event(self, event: Event) -> None:
        if event.final:
            return  # it is printed separately, with details
        clip = waiting(event)
        if clip is not None and clip.last_error is not None:
            noted = (clip.attempt, clip.last_error.code, clip.last_error.message)
            if noted != self._shown:
                words = retry_words(clip, datetime.now(UTC))
                note(f"{self._request_id}: {words}: {clip.last_error.message}")
                self._shown, self._last = noted, ""
            return
        words = f"{event.data.get('status') or event.kind} {event.data.get('stage') or ''}".strip()
        words += parts_words(event)
        if words != self._last:
            note(f"{self._request_id}: {words}")
            self._last = words


class _Bar:
    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("queued", total=100)

    def event(self, event: Event) -> None:
        stage = str(event.data.get("stage") or event.data.get("status") or event.kind)
        stage += parts_words(event)
        clip = waiting(event)
        if clip is not None:
            stage = retry_words(clip, datetime.now(UTC))
        percent = event.data.get("progress_percent")
        done = 100.0 if event.kind == "completed" else percent
        self._progress.update(
            self._task, description=stage, completed=done if isinstance(done, int | float) else None
        )


@contextmanager
def _shown(request_id: str, *, quiet: bool) -> Iterator[_Show]:
    if quiet:
        yield _Silent()
    elif not sys.stderr.isatty():
        yield _Lines(request_id)
    else:
        columns = TextColumn("{task.description:10}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn()
        with raised_interrupts(), Progress(*columns, console=Console(stderr=True)) as progress:
            yield _Bar(progress)
