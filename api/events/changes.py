"""The events for a client that watches a request, from what it knows and the current state. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Self

from api.db.tables import Clip
from clipping.contract.messages import TERMINAL
from clipping.contract.results import ClipStatus

Name = Literal["status", "progress", "checkpoint", "resumed", "retrying", "completed", "failed", "cancelled"]
FeedName = Literal[
    "status", "progress", "checkpoint", "resumed", "retrying", "completed", "failed", "cancelled", "reset"
]
"""Of a stream of all requests."""


@dataclass(frozen=True)
class Seen:
    """A request at one revision."""

    revision: int
    status: str
    stage: str | None
    progress_percent: float | None
    parts: list[dict[str, Any]] | None
    attempt: int
    last_error: dict[str, Any] | None
    next_attempt_at: datetime | None
    agent_id: str | None
    checkpoint: dict[str, Any] | None
    resumed_count: int
    body: bytes
    """Its ClipStatus, JSON on one line."""

    @classmethod
    def of(cls, clip: Clip, status: ClipStatus) -> Self:
        """The request from its row, which has this status."""
        return cls(
            revision=clip.revision,
            status=clip.status,
            stage=clip.stage,
            progress_percent=clip.progress_percent,
            parts=clip.parts,
            attempt=clip.attempt,
            last_error=clip.last_error,
            next_attempt_at=clip.next_attempt_at,
            agent_id=clip.agent_id,
            checkpoint=clip.checkpoint,
            resumed_count=clip.resumed_count,
            body=status.to_json().encode(),
        )

    @property
    def ended(self) -> bool:
        return self.status in TERMINAL

    @property
    def progress(self) -> tuple[str | None, float | None, list[dict[str, Any]] | None]:
        """What a `progress` event reports."""
        return self.stage, self.progress_percent, self.parts

    @property
    def retry(self) -> tuple[dict[str, Any] | None, datetime | None] | None:
        """The error after which it waits for a retry; None while it does not wait."""
        return (self.last_error, self.next_attempt_at) if self.stage == "retrying" else None


def changes(before: Seen | None, now: Seen) -> list[Name]:
    """The events' names, in order; `before` is None for a new client."""
    if before is None:
        return ["status", _end(now)] if now.ended else ["status"]
    if now.revision == before.revision:
        return []
    if now.ended:
        return [_end(now)]
    names: list[Name] = []
    if (now.status, now.attempt, now.agent_id) != (before.status, before.attempt, before.agent_id):
        names.append("status")
    if now.resumed_count > before.resumed_count:
        names.append("resumed")
    elif now.checkpoint != before.checkpoint and now.checkpoint is not None:
        names.append("checkpoint")
    if now.retry is not None:
        if now.retry != before.retry:
            names.append("retrying")
    elif now.progress != before.progress and "status" not in names:
        names.append("progress")
    return names or ["status"]


def feed_names(before: Seen | None, now: Seen) -> list[Name]:
    """As `changes`, for one of many requests; `before` is None for one that was not seen yet.

    A change of a request that had ended, such as a new link, is a `status`.
    """
    if before is None:
        return [_end(now)] if now.ended else ["status"]
    if before.ended and before.status == now.status:
        return ["status"]
    return changes(before, now) or ["status"]


def frames(names: list[Name], now: Seen, *, event_id: str | None = None) -> bytes:
    """The serialized events. The data of each is the ClipStatus; `event_id` is the revision by default.

    Only the last one has the id: a client that loses the connection between two events of one revision
    receives that revision again.
    """
    written = [b"event: " + name.encode() + b"\ndata: " + now.body + b"\n" for name in names]
    last = b"id: %b\n\n" % (event_id or str(now.revision)).encode()
    return b"\n".join(written) + last if written else b""


def last_event_id(header: str | None) -> int | None:
    """The revision that a client received last; None if there is none or the id is invalid."""
    text = (header or "").strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


def _end(now: Seen) -> Name:
    match now.status:
        case "completed":
            return "completed"
        case "failed":
            return "failed"
    return "cancelled"
