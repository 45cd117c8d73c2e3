"""Sections of the API, and those that it shares with the agents: Pub/Sub, the store, the log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from clipping.config.fields import AbsolutePath, Name, Origin, Port, Positive, Role, Section, TopicName
from clipping.config_file import API_HOST, API_PORT


class PubSub(Section):
    """Topics and subscriptions. `clipping-agent provision` creates them."""

    project: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{4,61}[a-z0-9]$")] = "clipping-local"
    """The Google Cloud project."""
    requests_topic: TopicName = "clipping-requests"
    """The topic of requests."""
    complete_topic: TopicName = "clipping-complete"
    """The topic of completions."""
    progress_topic: TopicName = "clipping-progress"
    """The topic of progress messages."""
    dead_letter_topic: TopicName = "clipping-dead-letter"
    """The topic of requests that failed too often, and of messages that can't be read."""
    worker_subscription: TopicName = "clipping-worker"
    """The agents' subscription for the lane `interactive`."""
    batch_subscription: TopicName = "clipping-worker-batch"
    """The agents' subscription for the lane `batch`."""
    api_subscription_prefix: TopicName = "clipping-api"
    """The API's subscriptions are named after this, with `-complete`, `-progress` and `-dead-letter`."""
    retry_min_seconds: Annotated[float, Field(ge=0, le=600)] = 10
    """How long Pub/Sub waits before it delivers a message again that was given back. Doubles with each
    delivery."""
    retry_max_seconds: Annotated[float, Field(ge=0, le=600)] = 600
    """The longest such wait."""
    max_delivery_attempts: Annotated[int, Field(ge=5, le=100)] = 20
    """After this many deliveries a request goes to the dead-letter topic and fails."""
    lease_seconds: Annotated[int, Field(ge=10, le=600)] = 60
    """The longest time before the clip of an agent that died is delivered to another one."""
    publish_timeout_seconds: Positive = 20
    """How long one publish may take, retries included, before it counts as failed."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.retry_min_seconds > self.retry_max_seconds:
            raise ValueError("retry_min_seconds must not be above retry_max_seconds")
        return self


class Storage(Section):
    """Where clips are stored."""

    backend: Literal["gcs", "s3", "local"] = "local"
    """`gcs`: Google Cloud Storage. `s3`: AWS, Cloudflare R2, MinIO, SeaweedFS, or another store with the S3
    interface and conditional writes. `local`: a folder; the API serves the links."""
    bucket: Annotated[str, StringConstraints(min_length=1)] | None = None
    """The bucket. Required by `gcs` and `s3`."""
    endpoint: Origin | None = None
    """With `s3`: where the store is, such as `https://minio.example.com:9000`. Unset: AWS."""
    public_endpoint: Origin | None = None
    """With `s3`: the address in links, where those who download clips reach the store by another one."""
    region: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")] | None = None
    """With `s3`: the bucket's region; `auto` for R2. Default: `AWS_REGION`, else `us-east-1`, which most
    stores other than AWS expect."""
    credentials: AbsolutePath | None = None
    """With `s3`: a file with the access key, in the AWS format: a section `[default]` with
    `aws_access_key_id` and `aws_secret_access_key`. Unset: the variables of the same names in
    capitals, the AWS files of the user, or the role of the instance."""
    prefix: Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9._-]+/)*$")] = ""
    """Put in front of every object's name. Ends with a slash."""
    path: AbsolutePath | None = None
    """The folder of the `local` backend, on a file system with hard links. Required by it."""
    signed_url_days: Annotated[float, Field(gt=0, le=7)] = 7
    """How long a download link works: 7 days at most, and with temporary credentials of an S3 store no longer
    than those."""
    retention_days: Annotated[int, Field(ge=1)] = 30
    """How long clips and reels are kept. The lifecycle rules that `clipping-agent provision` sets delete them
    from a bucket, the API from a folder."""
    coordination_bucket: str | None = None
    """A bucket for leases and heartbeats, if they should not be in `bucket`."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.backend == "local" and self.bucket is not None:
            raise ValueError("bucket is for the gcs and s3 backends; the local one has a path")
        if self.backend != "local" and self.bucket is None:
            raise ValueError(f"bucket is required by the {self.backend} backend")
        if self.backend != "s3":
            for name in ("endpoint", "public_endpoint", "region", "credentials"):
                if getattr(self, name) is not None:
                    raise ValueError(f"{name} is for the s3 backend: remove it, or set backend to s3")
        if self.public_endpoint is not None and self.endpoint is None:
            raise ValueError("public_endpoint needs endpoint: AWS has one address for all")
        return self


Email = Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+$")]


class ApiKey(Section):
    """A bearer key of a caller."""

    name: Name
    """The caller's name, which owns the clips. Several keys of one name are valid at once, so that a key can
    be changed without a gap."""
    role: Role
    """`admin` may also see all requests and lead the agents."""
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    """The SHA-256 hash of the key, in hexadecimal."""
    roots: list[AbsolutePath] | None = None
    """Those of `agent.nas_roots` that the caller may cut from and preview; the same for all keys of one name.
    Default: all. Empty: none, only buckets and uploads."""


class Oidc(Section):
    """Callers with a Google identity token instead of a key."""

    audience: Annotated[str, StringConstraints(min_length=1)]
    """The `aud` of the token: the address by which callers know this service."""
    accounts: dict[Email, Role]
    """Roles by verified e-mail address. Other accounts are refused."""
    roots: dict[Email, list[AbsolutePath]] = Field(default_factory=dict)
    """By e-mail address, as `api.keys[].roots`. Accounts that are not listed may use all roots."""
    certs_url: str = "https://www.googleapis.com/oauth2/v1/certs"
    """Where the signers' certificates are fetched."""


class Push(Section):
    """Pub/Sub push to `/v1/internal/pubsub`."""

    audience: Annotated[str, StringConstraints(min_length=1)]
    """The `aud` of the token, as configured on the subscription."""
    service_account: str
    """The `email` of the token: the account that Pub/Sub signs as."""
    certs_url: str = "https://www.googleapis.com/oauth2/v1/certs"
    """Where the signers' certificates are fetched. The embedded Pub/Sub server serves its own."""


class Api(Section):
    """The HTTP API."""

    host: str = API_HOST
    """The address that the API listens on. Without keys and `oidc`, only loopback addresses are allowed."""
    port: Port = API_PORT
    """The port that the API listens on. 0 picks a free one."""
    public_url: str = "http://127.0.0.1:8000"
    """How callers reach the API: used in `status_url`, and in links to clips in a local store."""
    database_url: str = "sqlite:///clipping.db"
    """The database, in SQLAlchemy's form. PostgreSQL for more than one instance."""
    keys: list[ApiKey] = Field(default_factory=list)
    """Callers with a key. Unset together with `oidc`: every caller on this machine is an administrator."""
    oidc: Oidc | None = None
    """Callers with a Google identity token. Unset: keys only."""
    push: Push | None = None
    """Set: completions come by Pub/Sub push, as on Cloud Run. Unset: the API pulls them."""
    max_body_bytes: Annotated[int, Field(ge=1024)] = 1_000_000
    """The largest request body."""
    threads: Annotated[int, Field(ge=1, le=256)] = 16
    """Requests that one process serves at the same time."""
    event_streams: Annotated[int, Field(ge=0, le=10_000)] = 500
    """Open `/events` streams of one process. Further ones get 503 and `Retry-After`."""
    event_streams_per_caller: Annotated[int, Field(ge=1, le=10_000)] = 100
    """Streams of `GET /v1/events` that one caller may have open in one process."""
    uploads: Annotated[int, Field(ge=1, le=64)] = 8
    """Uploads to a local store that one process receives at the same time. Further ones get 503 and
    `Retry-After`."""
    database_pool: Annotated[int, Field(ge=1, le=500)] | None = None
    """Database connections of one process, at most. Default: one for each thread. Instances x workers x this
    must stay below PostgreSQL's max_connections."""
    trusted_proxies: Annotated[int, Field(ge=0, le=10)] = 0
    """How many proxies in front of the API add to X-Forwarded-For, which then names the caller's address: 1
    on Cloud Run. 0: the header is ignored."""
    cors_origins: list[Origin] = Field(default_factory=list)
    """Origins of web pages that may call the API from a browser, such as `https://clips.example.com`."""
    environment: Annotated[str, Field(min_length=1, max_length=64)] = "production"
    """The name of this installation, which `/health` returns."""
    keep_days: Annotated[int, Field(ge=1)] = 90
    """How long finished requests stay in the database."""

    @model_validator(mode="after")
    def _guarded(self) -> Self:
        if not self.keys and self.oidc is None and self.host not in ("127.0.0.1", "localhost", "::1"):
            raise ValueError("keys or oidc are required when host is not a loopback address")
        return self


class Limits(Section):
    """Limits of what callers may request."""

    max_clip_seconds: Positive = 600
    """The longest clip, pre-roll and post-roll included."""
    max_short_seconds: Positive = 180
    """The longest vertical clip (9:16)."""
    max_reel_seconds: Positive = 1800
    """The longest reel. Each of its parts may be as long as a clip."""
    shorts_per_day: Annotated[int, Field(ge=0)] = 10
    """Vertical clips that one caller may request in 24 hours, whatever their result. 0: no limit."""
    short_retention_hours: Annotated[float, Field(gt=0, le=8760)] = 24
    """How long vertical clips are kept. The API deletes them from every store."""
    max_upload_bytes: Annotated[int, Field(ge=1, le=5 << 40)] = 5_000_000_000
    """The largest upload. At most 5368709120 with the s3 backend, which takes an upload in one request."""
    upload_url_hours: Annotated[float, Field(gt=0, le=168)] = 12
    """How long an upload may be begun: the life of its URL. In Cloud Storage, uploads above 100 MB have a
    week."""
    requests_per_minute: Annotated[int, Field(ge=0)] = 600
    """Calls of one caller per minute, counted by each process. 0: no limit."""
    lost_after_seconds: Positive = 900
    """A request about which no agent reported anything for this long is published again."""
    lost_tries: Annotated[int, Field(ge=1, le=20)] = 3
    """After being published again this often, it fails with `LOST`. Not counted while no agent takes requests
    or the store can't be reached."""


class Log(Section):
    """Format and level of the log."""

    format: Literal["auto", "journal", "json", "text"] = "auto"
    """`auto`: journal under systemd, text on a terminal, otherwise JSON lines."""
    level: Literal["debug", "info", "warning", "error"] = "info"
    """The lowest level that is logged."""


MAX_S3_UPLOAD_BYTES = 5 << 30
"""What S3 takes in one request."""


def upload_problems(storage: Storage, limits: Limits) -> Iterator[str]:
    """What is wrong with the limit of uploads for this store."""
    if storage.backend == "s3" and limits.max_upload_bytes > MAX_S3_UPLOAD_BYTES:
        yield f"limits.max_upload_bytes: must be at most {MAX_S3_UPLOAD_BYTES} with the s3 backend"
