"""The three coordination documents of a cluster, each with one kind of writer.

- `ha/{cluster}/lease.json`: the leader. Written by agents, by compare-and-set only.
- `ha/{cluster}/intent.json`: the administrator's requests. Written by the API only.
- `ha/{cluster}/agents/{agent_id}.json`: an agent's state. Written by that agent, read by the API and the
others.

So an administrator's write never conflicts with a renewal. Times are for display: no agent compares a time
that another machine wrote. Readers ignore unknown fields; any other invalid content raises `BrokenDocument`,
and promotes no agent.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from clipping.contract.choices import FailoverMode
from clipping.contract.wire import Moment
from clipping.errors import ClippingError
from clipping.text import field_path

SCHEMA: Literal[1] = 1
HEARTBEAT_SECONDS = 30.0
"""How often an agent writes its document. A change of state is written at once."""

LeaseState = Literal["held", "released", "handoff"]
AgentState = Literal["active", "standby", "draining", "fenced"]
"""By the agent's own report."""
AgentStatus = Literal["active", "standby", "draining", "fenced", "down"]
"""As others see it."""


class BrokenDocument(ClippingError):
    """A coordination object that can't be parsed. An operator has to inspect it."""

    code = "BROKEN_COORDINATION"


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    def to_json(self) -> bytes:
        """UTF-8, absent values left out."""
        return self.model_dump_json(exclude_none=True).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Raises `BrokenDocument`, which names the first field that is wrong."""
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = field_path(first["loc"]) or "content"
            raise BrokenDocument(f"{cls.__name__}: {where}: {first['msg']}") from None


class Acquisition(_Document):
    """How the lease was acquired. For people: no agent decides by it."""

    kind: str
    """`first`, `expired`, `released`, `handoff` or `predecessor`; a newer agent may have others."""
    at: Moment
    """By the new lease holder's clock."""
    unchanged_seconds: float = 0.0
    """How long the new lease holder had seen the former lease unchanged."""
    former_agent: str | None = None
    """Absent when there was no lease, like the following."""
    former_epoch: int | None = None
    former_renewed_at: Moment | None = None
    """When the former lease was written last: for a handoff or a release, when the agent gave it up."""
    former_target: str | None = None
    """The agent that it was handed to."""
    former_reason: str = ""
    """Why it was given up, if it was."""


class Lease(_Document):
    """The lease of the leader, renewed by the agent and its process instance. `epoch` grows with each new
    leader."""

    schema_: Literal[1] = Field(SCHEMA, alias="schema")
    cluster: str
    state: LeaseState
    epoch: Annotated[int, Field(ge=0)]
    holder: str
    """The agent's id; for a released lease, the last lease holder's."""
    instance: str
    """A random name of the lease holder's process, which changes with each restart."""
    host: str
    """The lease holder's machine."""
    seq: Annotated[int, Field(ge=0)]
    """Counts the lease holder's writes, so that it can recognise a write whose response was lost."""
    health_url: str | None = None
    """Where the standbys poll the leader, without a path."""
    target: str | None = None
    """For a handoff: the agent that takes over."""
    reason: str = ""
    """Why it was acquired or released, one sentence."""
    acquisition: Acquisition | None = None
    """Kept until another agent acquires it. Absent when an earlier version wrote it."""
    ttl_seconds: float
    renewed_at: Moment
    """For people."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True, serialize_by_alias=True)


class FailoverIntent(_Document):
    """A planned failover that an administrator requested."""

    operation_id: str
    epoch: int
    """The lease's epoch at the time: the intent is stale once another epoch leads."""
    old_primary: str
    target: str | None = None
    """Unset: the leader picks the best standby."""
    mode: FailoverMode = "graceful"
    """`graceful` finishes the clips in flight, up to `ha.drain_seconds`; `fast` releases them at once."""
    reason: str = ""
    requested_by: str = ""
    requested_at: Moment


class Pause(_Document):
    """A pause of automatic takeovers. Requested failovers still work."""

    reason: str = ""
    paused_by: str = ""
    paused_at: Moment
    until: Moment | None = None
    """When it ends."""

    def holds(self, now: datetime) -> bool:
        """Whether it is in effect. `until` is wall time: precision does not matter."""
        return self.until is None or now < self.until


class Intent(_Document):
    """The administrator's requests. A missing object is equivalent to an empty one."""

    schema_: Literal[1] = Field(SCHEMA, alias="schema")
    failover: FailoverIntent | None = None
    pause: Pause | None = None

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True, serialize_by_alias=True)


class IntentAnswer(_Document):
    """An agent's response to a failover intent that concerns it."""

    operation_id: str
    accepted: bool
    reason: str = ""


class EncoderProbe(_Document):
    """Whether an encoder can be used on an agent's machine."""

    name: str
    usable: bool
    reason: str = ""
    """Why it can't be used, or which GPUs it can't be used on."""


class AgentRecord(_Document):
    """An agent's own report of its state. Readers detect that it is down by the object's age."""

    schema_: Literal[1] = Field(SCHEMA, alias="schema")
    agent_id: str
    cluster: str
    instance: str
    host: str
    state: AgentState
    epoch: int
    """The highest epoch that it has led or seen."""
    eligible: bool
    reasons: tuple[str, ...] = ()
    """Why it is unhealthy, or not eligible."""
    rank: int = 0
    version: str
    queue_depth: int = 0
    """The number of clips in flight."""
    completed_clips_24h: int = 0
    encoders: tuple[str, ...] = ()
    encoder_probe: tuple[EncoderProbe, ...] = ()
    """Every encoder; those that can be used are in `encoders` too."""
    deadline_seconds: float | None = None
    """After how long without a renewal it stops by itself (`ha.deadline_seconds`)."""
    drain_seconds: float | None = None
    """How long it may take to finish its clips before it hands over (`ha.drain_seconds`)."""
    takeover_seconds: float | None = None
    """How long after a leader's last renewal this agent would lead, about."""
    health_url: str | None = None
    started_at: Moment
    heartbeat_at: Moment
    """For people."""
    intent: IntentAnswer | None = None
    """Its response to the newest failover intent that concerned it."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True, serialize_by_alias=True)


def lease_key(cluster: str) -> str:
    return f"ha/{cluster}/lease.json"


def intent_key(cluster: str) -> str:
    return f"ha/{cluster}/intent.json"


def agent_key(cluster: str, agent_id: str) -> str:
    return f"ha/{cluster}/agents/{agent_id}.json"


def agents_prefix(cluster: str) -> str:
    return f"ha/{cluster}/agents/"


def signing_key(cluster: str, agent_id: str) -> str:
    """The object for which an agent periodically signs a link, as a test."""
    return f"ha/{cluster}/signing/{agent_id}.json"


def doctor_key(cluster: str, name: str) -> str:
    """An object that `clipping-agent doctor` writes and removes."""
    return f"ha/{cluster}/doctor/{name}.json"


def place_key(name: str) -> str:
    """An object that an agent or `doctor` writes in a caller's own place, as a test. Below `clips/`, where
    those who may write clips may write, and a bucket's rule removes what is left."""
    return f"clips/checks/{name}.json"


def cancel_key(request_id: str) -> str:
    """While it exists: don't cut this, or stop cutting it. Written by the API, create-only; agents check it
    before they start a clip, and every second while one is in flight."""
    return f"cancels/{request_id}.json"
