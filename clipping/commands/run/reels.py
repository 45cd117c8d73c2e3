"""`clipping reel` and `clipping annotate`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from clipping.client import Annotations, annotate
from clipping.commands.run.common import misused, note, say
from clipping.commands.run.service import connect
from clipping.commands.run.watching import follow
from clipping.contract.json_file import MAX_BYTES, object_of, read_object
from clipping.errors import InvalidRequest
from clipping.exits import EXIT_FAILED, EXIT_OK

_REEL = (
    '{"reel_id": "best-of", '
    '"clips": [{"nas_video_path": "/nas/a.mp4", "start_seconds": 1, "end_seconds": 9}]}'
)
_ANNOTATIONS = '{"clips": [{"start_time": 12.5, "end_time": 20, "name": "Goal", "rating": 5}]}'
_STANDARD = Path("-")


def reel(arguments: argparse.Namespace) -> int:
    """Request the reel. With `--watch`, exit with 1 when it is not completed."""
    body = _read(arguments.file, _REEL)
    transition = {"type": arguments.transition, "duration": arguments.duration}
    changed = {name: value for name, value in transition.items() if value is not None}
    if changed:
        given = body.get("transition", {})
        body["transition"] = {**given, **changed} if isinstance(given, dict) else changed
    if arguments.mode is not None:
        body["mode"] = arguments.mode
    with connect(arguments) as client:
        accepted = client.request_reel(body, idempotency_key=arguments.idempotency_key)
        if not arguments.watch:
            say(accepted.to_json() if arguments.json else accepted.request_id)
            return EXIT_OK
        note(f"{accepted.request_id}: place {accepted.queue_position} in the queue")
        return follow(client, accepted.request_id, as_json=arguments.json, only_end=arguments.json)


def annotated(arguments: argparse.Namespace) -> int:
    """Request what the annotations become. Exit with 1 when one of the requests is refused."""
    if not (arguments.review or arguments.clips or arguments.tsv):
        misused("annotate needs --review, --clips or --tsv")
    form = _read(arguments.file, _ANNOTATIONS)
    try:
        found = annotate(
            form,
            recording=arguments.recording,
            name=arguments.name,
            min_rating=arguments.min_rating,
            mode=arguments.mode,
        )
    except InvalidRequest as error:
        misused(f"{arguments.file}: {error.message}")
    if arguments.tsv:
        _write(arguments.tsv, found.table)
    return _request(arguments, found) if arguments.review or arguments.clips else EXIT_OK


def _request(arguments: argparse.Namespace, found: Annotations) -> int:
    failed = False
    key = arguments.idempotency_key
    with connect(arguments) as client:
        if arguments.review:
            accepted, _ = client.request_annotations(found, clips=False, idempotency_key=key)
            assert accepted is not None, "a reel is accepted, or raises"
            say(accepted.to_json() if arguments.json else accepted.request_id)
        if arguments.clips and not found.clips:
            note(f"no annotation is rated {arguments.min_rating} or higher: no clip is requested")
        elif arguments.clips:
            _, items = client.request_annotations(found, review=False, idempotency_key=key)
            for body, item in zip(found.clips, items, strict=True):
                if arguments.json:
                    say(item.model_copy(update={"client_item_id": body["hand_id"]}).to_json())
                elif item.error is None:
                    say(item.request_id or "")
                if item.error is not None:
                    failed = True
                    note(f"{body['hand_id']}: {item.error.code}: {item.error.message}")
    return EXIT_FAILED if failed else EXIT_OK


def _read(path: Path, example: str) -> dict[str, Any]:
    try:
        if path != _STANDARD:
            return read_object(path, example=example)
        return object_of(sys.stdin.buffer.read(MAX_BYTES), "standard input", example=example)
    except ValueError as error:
        misused(str(error))


def _write(path: Path, table: str) -> None:
    if path == _STANDARD:
        sys.stdout.write(table)
        return
    try:
        path.write_text(table, encoding="utf-8")
    except OSError as error:
        misused(f"--tsv {path} can't be written: {error.strerror}")
