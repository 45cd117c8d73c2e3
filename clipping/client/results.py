"""What the service answers. Fields that a newer service adds are ignored; what is absent is None."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer

from clipping.clock import rfc3339
from clipping.contract.messages import TERMINAL, ErrorInfo, LastError, Mode, Stage, Status
from clipping.contract.report import Report

Period = Literal["24h", "7d", "30d"]
Time = Annotated[AwareDatetime, PlainSerializer(rfc3339, return_type=str, when_used="json-unless-none")]


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    def to_json(self) -> str:
        """As the service wrote it, in one line; absent values are left out."""
        return self.model_dump_json(exclude_none=True)


class Accepted(_Result):
    """A request that will be worked on, whatever happens to the service."""

    request_id: str
    hand_id: str
    status: Status
    mode: Mode
    estimated_duration_sec: float
    queue_position: int
    created_at: Time
    status_url: str


class Problem(_Result):
    """What is wrong with one clip of a batch."""

    code: str
    message: str
    field: str | None = None
    limit: int | None = None
    """Of a quota that is used up: how many it allows."""
    used: int | None = None
    """How many of them were asked for."""
    retry_after_seconds: int | None = None
    """When there is room again."""


class BatchItem(_Result):
    """One clip of a batch: accepted, or not and why."""

    client_item_id: str | None = None
    request_id: str | None = None
    error: Problem | None = None


class Batch(_Result):
    """What became of the clips of a batch, in their order."""

    batch_id: str
    items: list[BatchItem]


class ClipStatus(_Result):
    """Everything that is known of a request."""

    request_id: str
    hand_id: str
    status: Status
    stage: Stage | None = None
    progress_percent: float | None = None
    attempt: int | None = None
    last_error: LastError | None = None
    """The newest error that an attempt met, until the clip ends."""
    next_attempt_at: Time | None = None
    """With stage `retrying`: when it is tried again; of another attempt an estimate."""
    resumed_count: int = 0
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
    metadata: dict[str, str] = Field(default_factory=dict)
    created_at: Time
    started_at: Time | None = None
    completed_at: Time | None = None

    @property
    def finished(self) -> bool:
        """Whether it has come to its end: completed, failed or cancelled."""
        return self.status in TERMINAL


class ClipPage(_Result):
    """Some requests, newest first; `next_cursor` leads on, where there are more."""

    clips: list[ClipStatus]
    next_cursor: str | None = None


class Event(_Result):
    """Something that happened to a request."""

    event_id: str | None
    """Where a stream goes on after it."""
    kind: str
    """`status`, `progress`, `retrying`, `completed`, `failed` or `cancelled`."""
    data: dict[str, Any]

    @property
    def final(self) -> bool:
        """Whether nothing comes after it."""
        return self.kind in TERMINAL


class Download(_Result):
    """A link that works without a key until it expires."""

    request_id: str
    hand_id: str
    download_url: str
    expires_at: Time
    file_size_bytes: int


class Stats(_Result):
    """The requests of a period."""

    period: Period
    total_requests: int
    completed: int
    failed: int
    queued: int
    success_rate: float
    avg_processing_time_sec: float
    p95_processing_time_sec: float
    total_output_bytes: int


class Agent(_Result):
    """One agent of the cluster."""

    agent_id: str
    role: Literal["primary", "standby"]
    status: Literal["active", "standby", "draining", "fenced", "down"]
    last_heartbeat: Time
    queue_depth: int
    completed_clips_24h: int
    epoch: int
    eligible: bool
    reasons: list[str]
    version: str | None = None
    host: str | None = None
    encoders: list[str]
    started_at: Time | None = None


class Pause(_Result):
    """No automatic takeover while it lasts."""

    reason: str
    paused_by: str
    paused_at: Time
    until: Time | None = None


class PauseState(_Result):
    """Whether automatic takeovers are paused."""

    cluster: str
    paused: bool
    pause: Pause | None = None


class Cluster(_Result):
    """All agents, and who leads."""

    cluster: str
    epoch: int
    leader: str | None = None
    paused: bool
    pause: Pause | None = None
    agents: list[Agent]


class Failover(_Result):
    """A planned failover, and how far it has come."""

    operation_id: str
    state: Literal["pending", "draining", "released", "done", "failed", "expired"]
    old_primary: str | None = None
    new_primary: str | None = None
    target: str | None = None
    switched_at: Time | None = None
    epoch: int | None = None
    reason: str | None = None
    error: str | None = None
    created_at: Time
    expires_at: Time

    @property
    def finished(self) -> bool:
        """Whether it has come to its end, good or bad."""
        return self.state in ("done", "failed", "expired")

    @property
    def nothing_to_do(self) -> bool:
        """Whether the cluster was as requested already, and nothing was changed."""
        return self.state == "done" and self.switched_at is None


class Health(_Result):
    """How the service is."""

    status: Literal["healthy", "degraded"]
    api_status: str
    agents: dict[str, Any] | None = None
    queue_depth: int | None = None
    reasons: list[str] = Field(default_factory=list)
    environment: str | None = None
    version: str
