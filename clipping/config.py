"""The configuration: one YAML file, overridden by `CLIPPING_SECTION__KEY` variables, checked as a whole.

An unknown key, a wrong type or an impossible combination raises `ConfigurationError` with every problem by
its path. Secrets are never here in the clear: keys are hashes, credentials are files or the environment.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from clipping.errors import ConfigurationError
from clipping.text import check_one_line

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
Port = Annotated[int, Field(ge=0, le=65535)]
Positive = Annotated[float, Field(gt=0)]
Role = Literal["client", "admin"]
"""What a caller of the API may do; admins may do what clients may."""


def _absolute(path: str) -> str:
    if not path.startswith("/"):
        raise ValueError("must be an absolute path")
    check_one_line(path)
    return os.path.normpath(path)


AbsolutePath = Annotated[str, AfterValidator(_absolute)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class NasRoot(_Section):
    """A folder that clips may be cut from."""

    path: AbsolutePath
    marker: str | None = None
    """A file in the root that is there only while the NAS is mounted. Without it, an empty folder counts as
    "not mounted"."""


class Slots(_Section):
    """How many clips each lane works on at once."""

    interactive: Annotated[int, Field(ge=1, le=64)] = 4
    """Copies: bound by the NAS and the uplink, hardly by the CPU."""
    batch: Annotated[int, Field(ge=0, le=64)] = 1
    """Encodes: one x264 fills two cores. 0 leaves this lane to other agents."""


class Agent(_Section):
    """The daemon on the NAS."""

    id: Name = Field(
        default_factory=lambda: re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[:63] or "agent"
    )
    """Unique in the cluster. Default: the host's name."""
    cluster: Name = "default"
    """Agents of one cluster serve the same requests."""
    state_dir: AbsolutePath = "/var/lib/clipping-agent"
    """The spool, where clips are cut before they are uploaded. A local disk, not the NAS."""
    nas_roots: list[NasRoot] = Field(default_factory=list)
    """Recordings outside these folders are refused, whatever a path or a link says."""
    slots: Slots = Slots()
    ffmpeg: AbsolutePath | None = None
    """The ffmpeg to run. Default: the one on PATH if it is 5.1 or later, else that of imageio-ffmpeg."""
    min_free_bytes: Annotated[int, Field(ge=0)] = 1_000_000_000
    """Keep this much of the spool's disk free: a clip that would leave less waits."""


Origin = Annotated[
    str, StringConstraints(pattern=r"^https?://[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?(:[1-9][0-9]{0,4})?$")
]
"""What a browser sends as `Origin`: scheme, host and port, lower case, without a path."""
TopicName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9._~%+-]{2,254}$")]
"""What Pub/Sub takes as the name of a topic or a subscription."""


class PubSub(_Section):
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


class Storage(_Section):
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


class Health(_Section):
    """The agent's own HTTP (`/health`, `/metrics`), and how a standby polls the holder's."""

    host: str = "0.0.0.0"
    port: Port = 8005
    """0 picks a free one."""
    advertise_url: Annotated[str, StringConstraints(pattern=r"^https?://[^/\s]+$")] | None = None
    """How the other agents reach this one, such as `http://nas-1.lan:8005`. Default: the host's name and the
    port; the loopback address when `host` is one."""
    interval_seconds: Positive = 30
    """How often a standby looks at the holder's `/health`."""
    failures: Annotated[int, Field(ge=1, le=100)] = 3
    """So many failed polls in a row, and the holder counts as dead."""
    retry_seconds: Positive = 5
    """After a failed poll the next ones come this soon: the lease decides anyway."""
    timeout_seconds: Positive = 3
    """How long one poll may take."""
    token_file: AbsolutePath | None = None
    """Holds a token. With `Authorization: Bearer TOKEN` the page shows paths; without it never."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.retry_seconds > self.interval_seconds:
            raise ValueError("retry_seconds must not be above interval_seconds")
        return self


class Ha(_Section):
    """Who of several agents works. The timings were chosen together: see docs/availability.md."""

    mode: Literal["primary-standby", "pool", "single"] = "primary-standby"
    """`primary-standby`: the holder of the lease works, the others wait. `pool`: all agents work, there is no
    leader. `single`: one agent, no lease."""
    preset: Literal["plain", "default", "brisk", "quick"] = "default"
    """Fills the timings of `health` and `ha` that are not set here. `quick` renews every 2.5 s."""
    rank: Annotated[int, Field(ge=0, le=15)] = 0
    """Among the standbys the lowest rank takes over first: each waits 2 s times its rank."""
    ttl_seconds: Positive = 30
    """A lease that has not changed for so long, on the standby's own clock, has expired."""
    deadline_seconds: Positive = 20
    """The holder trusts itself so long from the sending of its last good renewal, then stops by itself."""
    renew_seconds: Positive = 10
    """How often the holder renews."""
    retry_seconds: Positive = 2
    """How soon it tries again after a renewal that failed."""
    store_timeout_seconds: Positive = 4
    """How long one call to the store for the lease may take, without any retries of a client's own."""
    drain_seconds: Positive = 300
    """How long a stop or a planned failover waits for the clips in hand before it gives them back."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.ttl_seconds > self.deadline_seconds > 1.2 * self.renew_seconds:
            raise ValueError("ttl_seconds > deadline_seconds > 1.2 x renew_seconds is required")
        if self.renew_seconds + self.store_timeout_seconds >= self.deadline_seconds:
            raise ValueError("renew_seconds + store_timeout_seconds must be below deadline_seconds")
        return self


PRESETS: Mapping[str, Mapping[str, Mapping[str, float]]] = {
    "plain": {"health": {"retry_seconds": 30}},
    "default": {},
    "brisk": {
        "health": {"interval_seconds": 10, "retry_seconds": 3},
        "ha": {"ttl_seconds": 20, "deadline_seconds": 14, "renew_seconds": 6, "store_timeout_seconds": 3},
    },
    "quick": {
        "health": {"interval_seconds": 2, "retry_seconds": 1, "timeout_seconds": 1},
        "ha": {
            "ttl_seconds": 10,
            "deadline_seconds": 7,
            "renew_seconds": 2.5,
            "retry_seconds": 1,
            "store_timeout_seconds": 2,
        },
    },
}
"""What `ha.preset` lays under the keys that are given, apart from the defaults above."""


class Cutting(_Section):
    """The engine."""

    encoder: Literal["auto", "nvenc", "cpu"] = "auto"
    """`auto`: an NVIDIA card where one truly encodes, else the CPU. `nvenc`: the same, and `doctor` calls it
    bad when no card does. `cpu`: never a card."""
    nvenc_sessions: Annotated[int, Field(ge=1, le=64)] = 3
    """Encodes at once on the card; consumer cards refuse more. Further ones go to the CPU."""
    stall_seconds: Positive = 30
    """A cut whose output and input have both stood still for so long is ended and tried again."""
    time_limit_seconds: Positive = 7200
    """The longest that one cut may take."""
    max_pixels: Annotated[int, Field(ge=256 * 256)] = 8192 * 8192
    """The largest picture that is cut, as width times height. What a cut needs of memory grows with it."""
    verify: Literal["ends", "full"] = "ends"
    """How much of a finished clip is decoded before anybody is told of it. `ends`: the first and the last
    second and where frames of two encoders meet; `full`: every frame, about as slow as playing it fast."""
    on_damage: Literal["warn", "fail", "reencode"] = "warn"
    """What to do when the recording is damaged within a clip. `warn`: the report's warnings say where.
    `fail`: the request fails with SOURCE_DAMAGED. `reencode`: a copied or smart clip is encoded instead, so
    that it plays through; frames that can't be decoded are missing, and the warnings stay."""
    default_mode: Literal["copy", "smart", "encode"] | None = None
    """How the API has a request cut that wants high quality, names no mode and no other look. Unset: `copy`.
    Medium quality always means `encode`."""


class ApiKey(_Section):
    """One bearer key, as the hash of it: `printf %s KEY | sha256sum`."""

    name: Name
    """Who calls; the owner of the clips."""
    role: Role
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Oidc(_Section):
    """Callers with a Google identity token instead of a key."""

    audience: Annotated[str, StringConstraints(min_length=1)]
    """The `aud` of the token: this service's address, as the callers name it."""
    accounts: dict[Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+$")], Role]
    """Which verified e-mail addresses may come in, and as what."""
    certs_url: str = "https://www.googleapis.com/oauth2/v1/certs"
    """Where the signers' certificates are."""


class Push(_Section):
    """Pub/Sub push to `/v1/internal/pubsub`."""

    audience: Annotated[str, StringConstraints(min_length=1)]
    """The `aud` of the token, as configured on the subscription."""
    service_account: str
    """The `email` of the token: whom Pub/Sub signs as."""
    certs_url: str = "https://www.googleapis.com/oauth2/v1/certs"
    """Where the signers' certificates are. The local broker signs with its own key and serves its own."""


class Api(_Section):
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
    """Open `/events` streams of one process; further ones are told to come again."""
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


class Limits(_Section):
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


class Log(_Section):
    """Where and how to log."""

    format: Literal["auto", "journal", "json", "text"] = "auto"
    """`auto`: journal under systemd, text on a terminal, else JSON lines."""
    level: Literal["debug", "info", "warning", "error"] = "info"


class Config(_Section):
    """Everything. Every key is documented in `config.example.yaml`."""

    agent: Agent = Field(default_factory=Agent)
    pubsub: PubSub = PubSub()
    storage: Storage = Storage()
    health: Health = Health()
    ha: Ha = Ha()
    cutting: Cutting = Cutting()
    api: Api = Field(default_factory=Api)
    limits: Limits = Limits()
    log: Log = Log()


ENV_PREFIX = "CLIPPING_"


def load(path: Path | None = None, *, environ: Mapping[str, str] = os.environ) -> Config:
    """The configuration of `path` (none: the defaults), overridden by `environ`.

    Raises `ConfigurationError` with all problems.
    """
    tree: dict[str, Any] = {}
    if path is not None:
        try:
            loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigurationError([f"{path}: {error.strerror}"]) from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise ConfigurationError([f"{path}: not valid YAML: {_one_line(error)}"]) from None
        if loaded is not None and not isinstance(loaded, dict):
            raise ConfigurationError([f"{path}: must be a mapping of sections"])
        tree = loaded or {}
    return validate(_overridden(tree, environ))


def validate(tree: Mapping[str, Any]) -> Config:
    """A mapping as a `Config`. Raises `ConfigurationError` with all problems."""
    try:
        return Config.model_validate(_preset(tree))
    except ValidationError as error:
        raise ConfigurationError([_problem(finding) for finding in error.errors(include_url=False)]) from None


def _preset(tree: Mapping[str, Any]) -> Mapping[str, Any]:
    """`tree` over the timings that its `ha.preset` names; a wrong name is left for the validation to find."""
    ha = tree.get("ha")
    name = ha.get("preset") if isinstance(ha, dict) else None
    return overlay(PRESETS[name], tree) if isinstance(name, str) and name in PRESETS else tree


def overlay(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the keys of `over` laid on it, section by section; lists are replaced whole."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = overlay(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _overridden(tree: dict[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    problems: list[str] = []
    over: dict[str, Any] = {}
    for name in sorted(environ):
        if not name.startswith(ENV_PREFIX) or "__" not in name:
            continue
        parts = name.removeprefix(ENV_PREFIX).lower().split("__")
        try:
            value: Any = yaml.safe_load(environ[name])
        except yaml.YAMLError as error:
            problems.append(f"{name}: not valid YAML: {_one_line(error)}")
            continue
        for part in reversed(parts):
            value = {part: value}
        over = overlay(over, value)
    if problems:
        raise ConfigurationError(problems)
    return overlay(tree, over)


def _problem(finding: Any) -> str:
    path = ".".join(str(part) for part in finding["loc"]) or "configuration"
    match finding["type"]:
        case "extra_forbidden":
            return f"{path}: unknown key"
        case "missing":
            return f"{path}: is required"
        case "value_error":
            return f"{path}: {finding['ctx']['error']}"
        case _:
            # pydantic's sentence never repeats the value, so a secret put in the wrong place stays unseen.
            return f"{path}: {finding['msg']}"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
