"""The types between the coordinator and the daemon around it: identity, self-checks, work, role."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from clipping.contract.cluster import AgentState, EncoderProbe, IntentAnswer


class State(StrEnum):
    """The states of docs/explanation/availability.md; `STOPPED` is final."""

    INIT = "init"
    STANDBY = "standby"
    CANDIDATE = "candidate"
    ACQUIRING = "acquiring"
    ACTIVE = "active"
    DRAINING = "draining"
    FENCED = "fenced"
    STOPPED = "stopped"

    @property
    def role(self) -> AgentState:
        """The role that is reported: candidates are standbys."""
        match self:
            case State.ACTIVE:
                return "active"
            case State.DRAINING:
                return "draining"
            case State.FENCED:
                return "fenced"
            case _:
                return "standby"


@dataclass(frozen=True)
class Identity:
    """This process in the cluster."""

    agent_id: str
    instance: str
    """A random name of this process."""
    host: str
    health_url: str | None
    """The base URL at which the others poll it, without a path."""
    rank: int = 0


@dataclass(frozen=True)
class SelfCheck:
    """Whether this agent is able to work. Must be made without blocking: every step asks for it."""

    ok: bool
    reasons: tuple[str, ...] = ()
    """The problems, one sentence each. A leader stays `ok` for a grace period with some of them."""
    alive: bool = True
    """False: a loop of this process has stalled. Such an agent stops renewing its lease, even if there is no
    standby; one that is only not `ok` hands over to an eligible standby, and otherwise goes on."""


@dataclass(frozen=True)
class Facts:
    """Fields of the agent's record that only the daemon knows. Must be made without blocking."""

    queue_depth: int = 0
    completed_clips_24h: int = 0
    encoders: tuple[str, ...] = ()
    encoder_probe: tuple[EncoderProbe, ...] = ()


class Work(Protocol):
    """The work that the coordinator controls. Every call returns at once; `idle` reports when it is done."""

    def begin(self) -> None:
        """Open the streams. May be called again after they were closed."""
        ...

    def drain(self, *, fast: bool) -> None:
        """Close the streams; finish the clips in flight, or (`fast`) give them back. A fast drain may follow
        a graceful one."""
        ...

    def rest(self) -> None:
        """Close the streams until the next `begin`. Clips in flight are finished, without a time limit."""
        ...

    def abort(self) -> None:
        """The lease is lost: cancel the streams, stop ffmpeg (TERM, 3 s, KILL), publish nothing."""
        ...

    def idle(self) -> bool:
        """The streams are closed and no clip is in flight."""
        ...


@dataclass(frozen=True)
class RoleView:
    """The coordinator's state, for `/health`, `ctl status` and systemd's status line."""

    state: State
    role: AgentState
    epoch: int
    """The highest that this agent has led or read."""
    holder: str | None
    """The agent that has the lease, as last read; None: no agent, or unknown."""
    lease_remaining_seconds: float | None
    """Until it expires: by the guard of the leader, by the standby's own clock. None: no lease is held."""
    eligible: bool
    reasons: tuple[str, ...]
    """Problems, and why it is not eligible."""
    why: str
    """Why it is in this state, as one sentence."""
    paused: bool
    """No automatic takeover."""
    intake: bool
    """False after `ctl pause`: no new clips are accepted."""
    answer: IntentAnswer | None
    """Its answer to the newest failover intent that was meant for it."""


SelfChecker = Callable[[], SelfCheck]
FactsReader = Callable[[], Facts]
