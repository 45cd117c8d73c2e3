"""The requests' rows. Every function takes the session of its caller's transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import Connection, func, select, update
from sqlalchemy.orm import Session, defer
from sqlalchemy.sql.schema import ScalarElementColumnDefault

from api.db.bulk import BulkInsert
from api.db.tables import Clip, table_of
from api.domain.request_state import Failure, State, visible_change
from clipping.contract.checkpoint import Checkpoint
from clipping.contract.choices import Stage, Status
from clipping.contract.messages import (
    ClipRequest,
    CompletionMessage,
    LastError,
    PartProgress,
    RequestMessage,
    kind_of,
)
from clipping.contract.reel import ReelMessage, ReelRequest, WorkMessage
from clipping.store.layout import stored_folder

_ENVELOPE = {"request_id", "owner", "requested_at", "schema_"}
_ROOTS = "roots"
"""Stored with what was requested, as a message that is published again has them, too."""
_PLACE = ("epoch", "attempt", "seq", "agent_id")


_DEFAULTS: dict[str, Any] = {
    column.name: column.default.arg
    for column in table_of(Clip).columns
    if isinstance(column.default, ScalarElementColumnDefault) and column.default.arg is not None
}
_OPTIONAL = ("batch_id", "client_item_id", "retry_of", "traceparent", "estimated_seconds")


def row_of(message: WorkMessage) -> dict[str, Any]:
    """The columns of an accepted request's row."""
    return {
        **_DEFAULTS,
        **dict.fromkeys(_OPTIONAL),
        "request_id": message.request_id,
        "owner": message.owner,
        "kind": kind_of(message.request_id),
        "hand_id": message.hand_id,
        "mode": message.mode,
        "lane": message.lane,
        "spec": message.model_dump(mode="json", exclude=_ENVELOPE, exclude_none=True),
        "short": isinstance(message, RequestMessage) and message.output.short,
        "created_at": message.requested_at,
        "last_sign_at": message.requested_at,
    }


_REQUIRED = ("request_id", "owner", "hand_id", "mode", "lane", "spec", "created_at", "last_sign_at")
_insert = BulkInsert(table_of(Clip), (*_DEFAULTS, *_OPTIONAL, *_REQUIRED))


def add(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows of `row_of`, in the connection's transaction."""
    _insert(connection, rows)


def note_retries(connection: Connection, retries: Mapping[str, str]) -> None:
    """Record in the rows of requests by which other one each is retried."""
    # In one order, as other transactions may lock some of them too.
    for request_id, retry_id in sorted(retries.items()):
        changed = update(Clip).where(Clip.request_id == request_id)
        connection.execute(changed.values(retried_as=retry_id, revision=Clip.revision + 1))


def message_of(clip: Clip) -> WorkMessage:
    """The message that `row_of` was given, to be published again."""
    model: type[WorkMessage] = ReelMessage if clip.kind == "reel" else RequestMessage
    envelope = {"request_id": clip.request_id, "owner": clip.owner, "requested_at": clip.created_at}
    return model.model_validate(_asked(clip) | envelope)


def request_of(clip: Clip) -> ClipRequest | ReelRequest:
    """What the caller requested, with defaults. Raises `ValidationError` or `InvalidRequest`."""
    model: type[ClipRequest | ReelRequest] = ReelRequest if clip.kind == "reel" else ClipRequest
    asked = {name: value for name, value in _asked(clip).items() if name != _ROOTS}
    return model.model_validate(asked)


def _asked(clip: Clip) -> dict[str, Any]:
    # Rows of earlier versions hold what is absent as null.
    return {
        **{name: value for name, value in clip.spec.items() if value is not None},
        "output": {name: v for name, v in clip.spec["output"].items() if v is not None},
    }


def attributes_of(clip: Clip) -> dict[str, str]:
    """The attributes of the request's message."""
    return attributes(clip.request_id, clip.lane, clip.spec["priority"], clip.traceparent)


def attributes(request_id: str, lane: str, priority: str, traceparent: str | None) -> dict[str, str]:
    """The attributes of a request's message, by its columns."""
    named = {"request_id": request_id, "lane": lane, "priority": priority}
    return named if traceparent is None else {**named, "traceparent": traceparent}


def find(
    session: Session, request_id: str, *, owner: str | None = None, for_update: bool = False
) -> Clip | None:
    """The row of a request; with `owner`, if it is this caller's. `for_update`: no other transaction changes
    it before this one ends."""
    query = select(Clip).where(Clip.request_id == request_id)
    if owner is not None:
        query = query.where(Clip.owner == owner)
    return session.scalars(query.with_for_update() if for_update else query).one_or_none()


def find_all(session: Session, request_ids: Collection[str]) -> dict[str, Clip]:
    """The rows of the requests that exist, by id, without what was requested. No other transaction changes
    them before this one ends."""
    # Locked in one order, as other transactions may lock some of them too.
    query = select(Clip).where(Clip.request_id.in_(request_ids)).order_by(Clip.request_id)
    rows = session.scalars(query.options(defer(Clip.spec, raiseload=True)).with_for_update())
    return {row.request_id: row for row in rows}


def count_queued(session: Session) -> int:
    """The number of requests that wait for an agent."""
    return session.scalar(select(func.count()).select_from(Clip).where(Clip.status == "queued")) or 0


def state_of(clip: Clip) -> State:
    """The row's state, as `request_state.merge` takes it."""
    return State(
        status=cast(Status, clip.status),
        stage=cast(Stage | None, clip.stage),
        progress_percent=clip.progress_percent,
        parts=tuple(PartProgress.model_validate(part) for part in clip.parts) if clip.parts else None,
        attempt=clip.attempt,
        epoch=clip.epoch,
        seq=clip.seq,
        agent_id=clip.agent_id,
        resumed_count=clip.resumed_count,
        checkpoint=Checkpoint.model_validate(clip.checkpoint) if clip.checkpoint else None,
        last_failure=_failure(clip.last_error) if clip.last_error else None,
        next_attempt_at=clip.next_attempt_at,
        completion=CompletionMessage.model_validate_json(clip.completion) if clip.completion else None,
    )


def store_state(clip: Clip, before: State, after: State, *, now: datetime) -> None:
    """Write a changed state into the row."""
    for name in (
        "status",
        "stage",
        "progress_percent",
        "attempt",
        "epoch",
        "seq",
        "agent_id",
        "resumed_count",
        "next_attempt_at",
    ):
        setattr(clip, name, getattr(after, name))
    clip.checkpoint = after.checkpoint.model_dump(mode="json") if after.checkpoint else None
    clip.parts = [part.model_dump(mode="json") for part in after.parts] if after.parts else None
    clip.last_error = _failure_fields(after.last_failure) if after.last_failure else None
    if visible_change(before, after):
        clip.revision += 1
    if after.status == "queued":
        clip.started_at = None
    elif clip.started_at is None and after.agent_id is not None:
        clip.started_at = _started_at(after, now)
    end = after.completion
    if end is not None and end is not before.completion:
        clip.completion = end.to_json().decode()
        clip.completed_at = end.completed_at
        clip.duration_seconds = end.duration_seconds
        clip.processing_time_seconds = end.processing_time_seconds
        clip.file_size_bytes = end.file_size_bytes
        if end.status == "completed":
            _store_object(clip, end, now)


def _store_object(clip: Clip, end: CompletionMessage, now: datetime) -> None:
    where = end.output_uri or ""
    clip.folder = stored_folder(where, clip.request_id, clip.hand_id, short=clip.short)
    clip.stored_at = now
    if end.download_url is not None:
        clip.link_signed_at, clip.link_expires_at = now, end.download_url_expires_at


def _failure(fields: Mapping[str, Any]) -> Failure:
    place = {name: fields[name] for name in _PLACE}
    return Failure(error=LastError.model_validate(fields), **place)


def _failure_fields(failure: Failure) -> dict[str, Any]:
    error, place = failure.error, {name: getattr(failure, name) for name in _PLACE}
    # Not rounded: else the same message would appear to be newer than the stored state.
    named = {} if error.part is None else {"part": error.part}
    return {"code": error.code, "message": error.message, "at": error.at.isoformat(), **named, **place}


def _started_at(state: State, now: datetime) -> datetime:
    # All progress messages may arrive after the end, or be lost: then the end states the duration.
    took = state.completion.processing_time_seconds if state.completion else None
    if state.completion is None or took is None:
        return now
    return state.completion.completed_at - timedelta(seconds=max(0.0, took))
