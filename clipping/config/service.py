"""Sections of the API, and those that it shares with the agents: Pub/Sub, the store, the log."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from clipping.config.fields import AbsolutePath, Name, Origin, Port, Positive, Role, Section, TopicName


class PubSub(Section):
    """Topics and subscriptions. `clipping-agent provision` creates them."""

    project: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{4,61}[a-z0-9]$")] = "clipping-local"
    requests_topic: TopicName = "clipping-requests"
    complete_topic: TopicName = "clipping-complete"
    progress_topic: TopicName = "clipping-progress"
    dead_letter_topic: TopicName = "clipping-dead-letter"
    worker_subscription: TopicName = "clipping-worker"
    batch_subscription: TopicName = "clipping-worker-batch"
    api_subscription_prefix: TopicName = "clipping-api"
    """The API's subscriptions: this and `-complete`, `-progress`, `-dead-letter`."""
    retry_min_seconds: Annotated[float, Field(ge=0, le=600)] = 10
    """How long Pub/Sub waits before it delivers a message again that was given back; doubles each time."""
    retry_max_seconds: Annotated[float, Field(ge=0, le=600)] = 600
    """The longest such wait. Pub/Sub allows at most 600."""
    max_delivery_attempts: Annotated[int, Field(ge=5, le=100)] = 20
    """After so many deliveries a request goes to the dead-letter topic, and fails visibly. At least 5."""
    lease_seconds: Annotated[int, Field(ge=10, le=600)] = 60
    """How long the clip of an agent that died stays away from the others, at most."""
    publish_timeout_seconds: Positive = 20
    """How long one publish may take, retries included, before it counts as failed."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.retry_min_seconds > self.retry_max_seconds:
            raise ValueError("retry_min_seconds must not be above retry_max_seconds")
        return self


class Storage(Section):
    """Where clips go."""

    backend: Literal["gcs", "local"] = "local"
    bucket: str | None = None
    prefix: Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9._-]+/)*$")] = ""
    """Put before every key; ends with a slash."""
    path: AbsolutePath | None = None
    """The folder of the local backend."""
    signed_url_days: Annotated[float, Field(gt=0, le=7)] = 7
    """V4 signatures allow at most 7."""
    retention_days: Annotated[int, Field(ge=1)] = 30
    """`provision` sets the bucket's lifecycle rule to this."""
    coordination_bucket: str | None = None
    """Leases and agents' heartbeats, if not in `bucket`."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.backend == "local" and self.bucket is not None:
            raise ValueError("bucket is for the gcs backend; the local one has a path")
        if self.backend != "local" and self.bucket is None:
            raise ValueError(f"bucket is required by the {self.backend} backend")
        return self


class ApiKey(Section):
    """One bearer key, as the hash of it: `printf %s KEY | sha256sum`."""

    name: Name
    """Who calls; the owner of the clips."""
    role: Role
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Oidc(Section):
    """Callers with a Google identity token instead of a key."""

    audience: Annotated[str, StringConstraints(min_length=1)]
    """The `aud` of the token: this service's address, as the callers name it."""
    accounts: dict[Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+$")], Role]
    """Which verified e-mail addresses may come in, and as what."""
    certs_url: str = "https://www.googleapis.com/oauth2/v1/certs"
    """Where the signers' certificates are."""


class Push(Section):
    """Pub/Sub push to `/v1/internal/pubsub`."""

    audience: Annotated[str, StringConstraints(min_length=1)]
    """The `aud` of the token, as configured on the subscription."""
    service_account: str
    """The `email` of the token: whom Pub/Sub signs as."""
    certs_url: str = "https://www.googleapis.com/oauth2/v1/certs"
    """Where the signers' certificates are. The local broker signs with its own key and serves its own."""


class Api(Section):
    """The HTTP service."""

    host: str = "127.0.0.1"
    """Without keys the API starts on loopback only."""
    port: Port = 8000
    public_url: str = "http://127.0.0.1:8000"
    """How callers reach it: in `status_url` and in the local store's download links."""
    database_url: str = "sqlite:///clipping.db"
    """SQLAlchemy's form. PostgreSQL for more than one instance."""
    keys: list[ApiKey] = Field(default_factory=list)
    """Several of one name are valid at once: that is how a key is changed without a gap."""
    oidc: Oidc | None = None
    """Unset: keys only."""
    push: Push | None = None
    """Set: completions come by push (Cloud Run). Unset: the API pulls them."""
    max_body_bytes: Annotated[int, Field(ge=1024)] = 1_000_000
    threads: Annotated[int, Field(ge=1, le=256)] = 16
    """Requests served at once by one process."""
    event_streams: Annotated[int, Field(ge=0, le=10_000)] = 500
    """Open `/events` streams of one process; further ones are asked to retry."""
    database_pool: Annotated[int, Field(ge=1, le=500)] | None = None
    """Database connections of one process, at most. Default: one for each thread. Instances x workers x this
    must stay below PostgreSQL's max_connections."""
    trusted_proxies: Annotated[int, Field(ge=0, le=10)] = 0
    """How many proxies stand before the service and add to X-Forwarded-For: 1 on Cloud Run. They say where
    a call comes from. 0: the header is not believed."""
    cors_origins: list[Origin] = Field(default_factory=list)
    """Web pages of these origins may call the API from a browser, such as `https://clips.example.com`."""
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
    """What callers may ask for."""

    max_clip_seconds: Positive = 600
    max_short_seconds: Positive = 180
    """The longest upright clip (9:16)."""
    shorts_per_day: Annotated[int, Field(ge=0)] = 10
    """Upright clips that one caller may ask for in 24 hours, whatever becomes of them. 0: no limit."""
    requests_per_minute: Annotated[int, Field(ge=0)] = 600
    """Calls of one caller, each minute. 0: no limit. Counted by each process."""
    lost_after_seconds: Positive = 900
    """A request without any sign of life for so long is published again."""
    lost_tries: Annotated[int, Field(ge=1, le=20)] = 3
    """After so many such times it fails with LOST. Not counted while no agent takes requests."""


class Log(Section):
    """Where and how to log."""

    format: Literal["auto", "journal", "json", "text"] = "auto"
    """`auto`: journal under systemd, text on a terminal, else JSON lines."""
    level: Literal["debug", "info", "warning", "error"] = "info"
