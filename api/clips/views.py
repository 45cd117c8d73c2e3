"""Responses about clips, from their rows."""

from __future__ import annotations

from datetime import datetime
from typing import cast

from api.clips.quotas import ShortsUsedUp
from api.db import clips
from api.db.expiry import folder
from api.db.tables import Clip
from api.db.watching import Version
from api.domain.request_state import State
from api.domain.retention import Retention
from clipping import __version__
from clipping.contract.choices import Beside, Kind, Mode
from clipping.contract.messages import TERMINAL, CompletionMessage, PartProgress, subtract
from clipping.contract.preview_keys import PreviewKeys
from clipping.contract.report import Range
from clipping.contract.results import ClipSource, ClipStatus, Problem
from clipping.errors import RequestError

LINKED: tuple[Beside, ...] = ("poster", "contact_sheet")
"""What lies beside a clip or reel and has a link in its status, as `links_of` has them."""
_OUTCOME = (
    "output_gcs_path",
    "output_uri",
    "file_size_bytes",
    "sha256",
    "duration_seconds",
    "processing_time_seconds",
    "report",
    "error",
    "error_message",
)
"""Fields that a status shares with the completion message."""


def problem_of(error: RequestError) -> Problem:
    """The error as a response describes it."""
    problem = Problem(code=error.code, message=error.message, field=error.field)
    if not isinstance(error, ShortsUsedUp):
        return problem
    return problem.model_copy(update={"details": error.details})


def expires_at_of(row: Clip | Version, retention: Retention) -> datetime | None:
    """When the request's object expires; None if there is none.

    One that a process of an earlier version recorded during an upgrade has no end.
    """
    where = folder(row)
    if where is None or row.stored_at is None or row.status != "completed":
        return None
    return retention.expires_at(where, row.stored_at)


def status_of(clip: Clip, retention: Retention, now: datetime, ids: PreviewKeys | None) -> ClipStatus:
    """The status of a stored request. A link that no longer works is left out. `ids`: None where recordings
    have none."""
    state = clips.state_of(clip)
    end, failure = state.completion, state.last_failure
    expires_at = expires_at_of(clip, retention)
    url, beside, until = _links(clip, end, expires_at, now)
    outcome = {name: getattr(end, name) for name in _OUTCOME} if end else {}
    return ClipStatus(
        **outcome,
        download_url=url,
        download_url_expires_at=until,
        poster_url=beside[0],
        contact_sheet_url=beside[1],
        expires_at=expires_at,
        request_id=clip.request_id,
        kind=cast(Kind, clip.kind),
        hand_id=clip.hand_id,
        reel_id=clip.hand_id if clip.kind == "reel" else None,
        short=clip.short or None,
        source=None if clip.kind == "reel" else _source(clip, ids),
        requested=None if clip.kind == "reel" else _requested(clip),
        mode=cast(Mode, clip.mode),
        status=state.status,
        stage=state.stage,
        progress_percent=state.progress_percent or 0.0,
        parts=_parts(clip, state) if clip.kind == "reel" else None,
        attempt=state.attempt or None,
        last_error=failure.error if failure else None,
        next_attempt_at=state.next_attempt_at,
        resumed_count=state.resumed_count,
        checkpoint=state.checkpoint,
        agent_id=state.agent_id,
        metadata=clip.spec["metadata"],
        retry_of=clip.retry_of,
        retried_as=clip.retried_as,
        created_at=clip.created_at,
        started_at=_started_at(clip),
        completed_at=clip.completed_at,
    )


def _source(clip: Clip, ids: PreviewKeys | None) -> ClipSource:
    path = clip.spec.get("nas_video_path")
    known = ids.recording_id(path) if ids is not None and path is not None else None
    return ClipSource(path=path, uri=clip.spec.get("source_uri"), recording_id=known)


def _requested(clip: Clip) -> Range:
    spec = clip.spec
    start = max(0.0, subtract(spec["start_seconds"], spec.get("pre_roll_seconds") or 0.0))
    return Range(start=start, end=subtract(spec["end_seconds"], -(spec.get("post_roll_seconds") or 0.0)))


def completion_of(clip: Clip) -> CompletionMessage | None:
    """The message that ended the request."""
    return None if clip.completion is None else CompletionMessage.model_validate_json(clip.completion)


def links_of(end: CompletionMessage) -> tuple[str | None, str | None]:
    """The agent's links to what lies beside the request's object: see `LINKED`."""
    return end.poster_url, end.contact_sheet_url


def _links(
    clip: Clip, end: CompletionMessage | None, expires_at: datetime | None, now: datetime
) -> tuple[str | None, tuple[str | None, str | None], datetime | None]:
    """The newest link, those to what lies beside its object, and until when they work: not longer than the
    object is kept."""
    url, until = clip.link_url, clip.link_expires_at
    beside = (clip.poster_link_url, clip.contact_sheet_link_url)
    if url is None and end is not None:
        url, until, beside = end.download_url, end.download_url_expires_at, links_of(end)
    if until is not None and expires_at is not None:
        until = min(until, expires_at)
    if until is not None and until <= now:
        return None, (None, None), None
    return url, beside, until


def etag_of(clip: Clip | Version) -> str:
    """The ETag of the request's status, unquoted.

    The release is part of it, as another one may show more. So is the status: a database that was restored
    from a backup counts revisions again, and a client that waits must not miss the end.
    """
    return f"{clip.revision}-{clip.status}-{__version__}"


def _parts(reel: Clip, state: State) -> list[PartProgress] | None:
    """The progress of every part, also of those that have not begun."""
    count = len(reel.spec["clips"])
    if state.status == "completed":
        return [
            PartProgress(index=index, stage="completed", progress_percent=100.0) for index in range(count)
        ]
    if state.status in TERMINAL:
        return None
    known = {part.index: part for part in state.parts or ()}
    return [
        known.get(index, PartProgress(index=index, stage="waiting", progress_percent=0.0))
        for index in range(count)
    ]


def _started_at(clip: Clip) -> datetime | None:
    # The first message about a short clip may be its last one, which has the agent's time.
    if clip.started_at is None or clip.completed_at is None:
        return clip.started_at
    return min(clip.started_at, clip.completed_at)
