"""What the API answers: the shapes of `openapi.yaml`, which a test holds these models against."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, PlainSerializer

from api.clips.quotas import ShortsUsedUp
from api.db.tables import Clip
from clipping.clock import rfc3339
from clipping.contract.messages import CompletionMessage, ErrorInfo, LastError, Metadata, Mode, Stage, Status
from clipping.contract.report import Report
from clipping.errors import RequestError

Time = Annotated[datetime, PlainSerializer(rfc3339, return_type=str, when_used="json-unless-none")]


class View(BaseModel):
    """A body of ours. Absent values are left out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def to_json(self) -> bytes:
        return self.model_dump_json(exclude_none=True).encode()


class ErrorDetail(View):
    """What is wrong, and with which field."""

    code: str
    message: str
    field: str | None = None
    limit: int | None = None
    """Of a quota that is used up: how many it allows."""
    used: int | None = None
    """How many of them were asked for."""
    retry_after_seconds: int | None = None
    """When there is room again."""

    @classmethod
    def of(cls, error: RequestError) -> Self:
        """What a caller is told of the error."""
        told = cls(code=error.code, message=error.message, field=error.field)
        if not isinstance(error, ShortsUsedUp):
            return told
        numbers = {name: getattr(error, name) for name in ("limit", "used", "retry_after_seconds")}
        return told.model_copy(update=numbers)


class ErrorBody(View):
    """The body of every error."""

    error: ErrorDetail
    timestamp: Time


class ClipAccepted(View):
    """The answer to a request that will be worked on."""

    request_id: str
    hand_id: str
    status: Literal["queued"] = "queued"
    mode: Mode
    estimated_duration_sec: float
    queue_position: int
    created_at: Time
    status_url: str


class BatchItem(View):
    """What became of one clip of a batch: an id, or why not."""

    client_item_id: str | None = None
    request_id: str | None = None
    error: ErrorDetail | None = None


class BatchAccepted(View):
    """The answer to a batch, in the order of its clips."""

    batch_id: str
    items: list[BatchItem]


class ClipStatus(View):
    """Everything that is known of a request."""

    request_id: str
    hand_id: str
    status: Status
    stage: Stage | None = None
    progress_percent: float
    """0 when the request ended without a clip."""
    attempt: int | None = None
    last_error: LastError | None = None
    next_attempt_at: Time | None = None
    resumed_count: int
    output_gcs_path: str | None = None
    output_uri: str | None = None
    download_url: str | None = None
    download_url_expires_at: Time | None = None
    file_size_bytes: int | None = None
    sha256: str | None = None
    duration_seconds: float | None = None
    processing_time_seconds: float | None = None
    report: Report | None = None
    agent_id: str | None = None
    error: ErrorInfo | None = None
    error_message: str | None = None
    metadata: Metadata
    created_at: Time
    started_at: Time | None = None
    completed_at: Time | None = None

    @classmethod
    def of(cls, clip: Clip) -> Self:
        """The status of a stored request."""
        end = CompletionMessage.model_validate_json(clip.completion) if clip.completion else None
        common = {name: getattr(end, name) for name in _FROM_COMPLETION} if end else {}
        return cls.model_validate(
            {
                **common,
                "request_id": clip.request_id,
                "hand_id": clip.hand_id,
                "status": clip.status,
                "stage": clip.stage,
                "progress_percent": clip.progress_percent or 0.0,
                "attempt": clip.attempt or None,
                "last_error": clip.last_error,
                "next_attempt_at": clip.next_attempt_at,
                "resumed_count": clip.resumed_count,
                "agent_id": clip.agent_id,
                "metadata": clip.spec["metadata"],
                "created_at": clip.created_at,
                "started_at": _started_at(clip),
                "completed_at": clip.completed_at,
            }
        )


def _started_at(clip: Clip) -> datetime | None:
    # Of a clip that ends at once the first word may be the last, and that has the agent's time.
    if clip.started_at is None or clip.completed_at is None:
        return clip.started_at
    return min(clip.started_at, clip.completed_at)


_FROM_COMPLETION = (
    "output_gcs_path",
    "output_uri",
    "download_url",
    "download_url_expires_at",
    "file_size_bytes",
    "sha256",
    "duration_seconds",
    "processing_time_seconds",
    "report",
    "error",
    "error_message",
)


class ClipList(View):
    """A page of requests, newest first."""

    clips: list[ClipStatus]
    next_cursor: str | None = None
    """Where the next page begins; absent on the last one."""


class Stats(View):
    """The requests of a period."""

    period: Literal["24h", "7d", "30d"]
    total_requests: int
    completed: int
    failed: int
    queued: int
    """Waiting for an agent now."""
    success_rate: float
    """Completed of those that completed or failed, 0 to 1; 0 when there are none."""
    avg_processing_time_sec: float
    p95_processing_time_sec: float
    total_output_bytes: int


class Download(View):
    """A link that works until it expires."""

    request_id: str
    hand_id: str
    download_url: str
    expires_at: Time
    file_size_bytes: int


class AgentWords(View):
    """How the agents are, in a word each."""

    primary: Literal["healthy", "degraded", "down", "none", "unknown"]
    standby: Literal["healthy", "degraded", "down", "none", "unknown"]


class Health(View):
    """How the service is."""

    status: Literal["healthy", "degraded"]
    api_status: Literal["healthy", "degraded", "unavailable"]
    agents: AgentWords
    queue_depth: int | None = None
    reasons: list[str]
    environment: str
    version: str


class Index(View):
    """Where things are."""

    name: str
    version: str
    docs_url: str
    openapi_url: str
    health_url: str
