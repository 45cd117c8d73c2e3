"""The service's responses: built by the API, parsed by the client, printed by the commands.

`openapi.yaml` has the same schemas, which a test compares. The API sends no other fields; a reader ignores
unknown ones, which a newer service adds, and has defaults for those that earlier services did not send.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from clipping.contract.checkpoint import Checkpoint
from clipping.contract.choices import Interval, Kind, Mode, Period, Stage, Status, TakeoverCause
from clipping.contract.cluster import AgentStatus, LeaseState
from clipping.contract.messages import TERMINAL, ErrorInfo, LastError, PartProgress
from clipping.contract.report import Range, Report
from clipping.contract.wire import Moment

AgentHealth = Literal["healthy", "degraded", "down", "none", "unknown"]
"""`none`: no agent has ever had this role. `unknown`: the agents' store does not respond."""
FailoverState = Literal["pending", "draining", "released", "done", "failed", "expired"]
FINISHED: frozenset[FailoverState] = frozenset({"done", "failed", "expired"})


class Result(BaseModel):
    """The body of a response. Absent values are None."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    def to_json(self) -> str:
        """JSON in one line; absent values are left out."""
        return self.model_dump_json(exclude_none=True)


class QuotaDetails(Result):
    """The numbers of a quota that is used up."""

    limit: int
    used: int
    """In the last 24 hours."""
    retry_after_seconds: int
    """When the next request is possible."""
    hours_until_reset: float
    """The same in hours."""


class Problem(Result):
    """The error of a request, and the invalid field."""

    code: str
    message: str
    field: str | None = None
    details: QuotaDetails | None = None
    """Of `QUOTA_EXCEEDED`."""


class Error(Result):
    """The body of every error."""

    error: Problem
    timestamp: Moment


class Accepted(Result):
    """A stored request, which will be processed even if the service restarts."""

    request_id: str
    hand_id: str
    status: Status = "queued"
    mode: Mode
    estimated_duration_sec: float
    """Until the clip is ready, the wait included."""
    queue_position: int
    """In its lane, from 1."""
    created_at: Moment
    status_url: str
    retry_of: str | None = None
    """The request that this one repeats."""


class ReelAccepted(Accepted):
    """A stored request for a reel. Its `hand_id` is the `reel_id`."""

    reel_id: str


class Upload(Result):
    """Where to put a file, and how a request names it afterwards."""

    upload_id: str
    upload_url: str
    method: Literal["PUT"] = "PUT"
    headers: dict[str, str]
    """To send with the file, exactly."""
    resumable: bool = False
    """Whether an upload that breaks off can go on, by the protocol of Cloud Storage."""
    source_uri: str
    expires_at: Moment


class BatchItem(Result):
    """One clip of a batch: its request, or why it was refused."""

    client_item_id: str | None = None
    request_id: str | None = None
    error: Problem | None = None


class Batch(Result):
    """The result of each clip of a batch, in their order."""

    batch_id: str
    items: list[BatchItem]


class ClipSource(Result):
    """The recording of a request: one of a NAS has a `path`, one in a bucket and an upload a `uri`."""

    path: str | None = None
    uri: str | None = None
    """As the request's `source_uri`."""
    recording_id: str | None = None
    """Of a `path`, as listings of recordings have it; absent where previews are disabled."""


class ClipStatus(Result):
    """The status of a request."""

    request_id: str
    kind: Kind = "clip"
    hand_id: str
    """Of a reel: the same as its `reel_id`."""
    reel_id: str | None = None
    short: bool | None = None
    """True of an upright clip, which counts against the quota of shorts; None of others."""
    source: ClipSource | None = None
    """Absent of a reel, whose parts are in its report."""
    requested: Range | None = None
    """Of the recording, pre-roll and post-roll included, as in the report; absent of a reel."""
    mode: Mode | None = None
    """As requested: the report says how it was cut."""
    status: Status
    stage: Stage | None = None
    progress_percent: float = 0.0
    """0 to 100; 0 when the request ended without a clip."""
    parts: list[PartProgress] | None = None
    """Of a reel: the progress of each part, in their order; absent when it ended without a video."""
    attempt: int | None = None
    last_error: LastError | None = None
    """The newest error that an attempt met, until the request ends."""
    next_attempt_at: Moment | None = None
    """With stage `retrying`: when it is retried; an estimate where that is another attempt."""
    resumed_count: int = 0
    """How often an attempt resumed a long encode where an earlier one was interrupted."""
    checkpoint: Checkpoint | None = None
    """What of a long encode is finished, until the request ends."""
    output_gcs_path: str | None = None
    output_uri: str | None = None
    download_url: str | None = None
    download_url_expires_at: Moment | None = None
    poster_url: str | None = None
    """A link to a JPEG of one frame, which works as long as `download_url`; absent when there is none."""
    contact_sheet_url: str | None = None
    """As `poster_url`, to a JPEG of up to 16 frames."""
    expires_at: Moment | None = None
    """When the clip is deleted, and with it the link."""
    file_size_bytes: int | None = None
    sha256: str | None = None
    duration_seconds: float | None = None
    processing_time_seconds: float | None = None
    report: Report | None = None
    agent_id: str | None = None
    error: ErrorInfo | None = None
    error_message: str | None = None
    metadata: dict[str, str] = Field(default_factory=dict)
    retry_of: str | None = None
    """The request that this one repeats."""
    retried_as: str | None = None
    """The newest request that repeats this one."""
    created_at: Moment
    started_at: Moment | None = None
    completed_at: Moment | None = None

    @property
    def finished(self) -> bool:
        """Whether the request has ended: completed, failed or cancelled."""
        return self.status in TERMINAL


class ClipPage(Result):
    """Some requests, newest first."""

    clips: list[ClipStatus]
    next_cursor: str | None = None
    """Where the next page begins; absent on the last one."""


class Download(Result):
    """A link that works without a key until it expires."""

    request_id: str
    hand_id: str
    download_url: str
    expires_at: Moment
    file_size_bytes: int


class Stats(Result):
    """The requests of a period."""

    period: Period
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


class StatsBucket(Result):
    """The requests that were created in an hour or a day."""

    start: Moment
    total_requests: int
    completed: int
    failed: int
    completed_by_mode: dict[Mode, int]
    """With each of the modes."""
    p50_processing_time_sec: float | None = None
    """Absent where nothing was completed."""
    p95_processing_time_sec: float | None = None
    total_output_bytes: int


class StatsTimeseries(Result):
    """The requests of a period, by hour or by day."""

    period: Period
    interval: Interval
    utc_offset_minutes: int
    buckets: list[StatsBucket]
    """From the oldest to the one that goes on now, also those without requests."""


class ShortsLeft(Result):
    """A caller's daily quota of upright clips."""

    limit: int
    """0: no limit, and nothing but `used` is known."""
    used: int
    """In the last 24 hours."""
    remaining: int | None = None
    """How many may be requested now."""
    retry_after_seconds: int | None = None
    """When the next request is possible: 0 is now."""
    hours_until_reset: float | None = None
    """Hours until `resets_at`."""
    resets_at: Moment | None = None
    """When the next of those that are used no longer counts; absent when none is used."""


class Longest(Result):
    """The longest that may be requested, in seconds."""

    clip_seconds: float
    """Also of a part of a reel."""
    short_seconds: float
    reel_seconds: float


class Quota(Result):
    """What the caller may still request."""

    shorts: ShortsLeft
    longest: Longest | None = None


class Encoder(Result):
    """One encoder of an agent's machine."""

    name: str
    usable: bool
    reason: str | None = None
    """Why it can't be used; of a usable one, which GPUs it can't be used on."""


class InFlightClip(Result):
    """A request that an agent works on."""

    request_id: str
    kind: Kind = "clip"
    hand_id: str
    stage: Stage | None = None
    progress_percent: float
    started_at: Moment | None = None
    seconds_left: float | None = None
    """An estimate; absent without a basis."""


class LeaseAge(Result):
    """The leader's lease."""

    agent_id: str
    """The lease holder."""
    state: LeaseState
    age_seconds: float
    """Since it was renewed, by the store's clock."""
    stops_after_seconds: float
    """The age at which the lease holder stops by itself."""
    free_after_seconds: float
    """The age at which another agent may take it."""
    acquired_at: Moment | None = None
    """When the lease holder became the leader."""


class FailoverSeconds(Result):
    """About how long a planned failover would take now."""

    graceful: float
    """With the clips in flight finished first."""
    fast: float
    """With them given back."""


class Agent(Result):
    """One agent of the cluster. What its document in the store does not say is absent."""

    agent_id: str
    role: Literal["primary", "standby"]
    status: AgentStatus
    last_heartbeat: Moment
    queue_depth: int
    """Clips being worked on."""
    completed_clips_24h: int
    epoch: int
    eligible: bool
    reasons: list[str]
    version: str | None = None
    host: str | None = None
    encoders: list[str]
    started_at: Moment | None = None
    encoder_probe: list[Encoder] = Field(default_factory=list)
    """Every encoder, and why it is not used; empty until they have been tried."""
    takeover_seconds: float | None = None
    """About how long after the leader's last renewal this agent would lead, if the leader died."""
    failed_clips_24h: int | None = None
    """Absent, like the following, while the database does not answer."""
    in_flight: list[InFlightClip] | None = None
    """As reported within the last seconds, oldest first; at most 50."""


class Pause(Result):
    """While it lasts, there is no automatic takeover."""

    reason: str
    paused_by: str
    paused_at: Moment
    until: Moment | None = None


class PauseState(Result):
    """Whether automatic takeovers are paused."""

    cluster: str
    paused: bool
    pause: Pause | None = None


class Cluster(Result):
    """All agents, and the leader."""

    cluster: str
    epoch: int
    leader: str | None = None
    paused: bool
    pause: Pause | None = None
    agents: list[Agent]
    lease: LeaseAge | None = None
    """Absent when agents elect no leader, or none has led yet."""
    waiting: int | None = None
    """Requests that wait for an agent."""
    failover_seconds: FailoverSeconds | None = None
    """Absent when no agent leads."""


class Takeover(Result):
    """An agent became the leader."""

    epoch: int
    agent_id: str
    at: Moment
    until: Moment | None = None
    """When it stopped leading; absent while it leads."""
    cause: TakeoverCause
    from_agent: str | None = None
    """The leader before, which may be the same agent, restarted."""
    reason: str | None = None
    """The administrator's, else the agents'."""
    requested_by: str | None = None
    """Of a failover that an administrator requested, like the following."""
    operation_id: str | None = None
    took_seconds: float | None = None
    """A requested failover: since the request; else: for how long no agent led."""
    clips_resumed: int
    """Requests that an earlier leader had begun, and agents went on with after this takeover."""


class Takeovers(Result):
    """Who led, newest first."""

    cluster: str
    since: Moment
    takeovers: list[Takeover]
    """The last one may be from before `since`: the one that led then."""


class Failover(Result):
    """A planned failover, and its progress."""

    operation_id: str
    state: FailoverState
    old_primary: str | None = None
    new_primary: str | None = None
    target: str | None = None
    switched_at: Moment | None = None
    epoch: int | None = None
    reason: str | None = None
    error: str | None = None
    created_at: Moment
    expires_at: Moment

    @property
    def finished(self) -> bool:
        """Whether it has ended, successful or not."""
        return self.state in FINISHED

    @property
    def nothing_to_do(self) -> bool:
        """Whether the cluster was as requested already, and nothing was changed."""
        return self.state == "done" and self.switched_at is None


class AgentsHealth(Result):
    """The health of the leader, and of the best of the other agents."""

    primary: AgentHealth = "unknown"
    standby: AgentHealth = "unknown"


class Health(Result):
    """The health of the service."""

    status: Literal["healthy", "degraded"]
    api_status: Literal["healthy", "degraded", "unavailable"]
    agents: AgentsHealth = AgentsHealth()
    queue_depth: int | None = None
    reasons: list[str] = Field(default_factory=list)
    environment: str = ""
    version: str


class Index(Result):
    """Where to find what."""

    name: str
    version: str
    docs_url: str
    openapi_url: str
    health_url: str
