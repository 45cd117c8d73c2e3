"""The words between the coordinator and the daemon around it: who I am, how I am, what I am to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from clipping.contract.cluster import AgentState, IntentAnswer


class State(StrEnum):
    """The states of docs/availability.md; `STOPPED` is final."""

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
        """What the cluster is told: candidates are standbys."""
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
    """Where the others poll it, without a path."""
    rank: int = 0


@dataclass(frozen=True)
class SelfCheck:
    """Whether this agent could work. Must be made without blocking: the coordinator asks on every tick."""

    ok: bool
    reasons: tuple[str, ...] = ()
    """What is wrong, one sentence each. A leader is `ok` for a while with something wrong."""
    alive: bool = True
    """False: a loop of this process stands still. Such an agent stops renewing its lease, whoever else is
    there; one that is only not `ok` hands over to a standby that is, and otherwise goes on."""


@dataclass(frozen=True)
class Facts:
    """What the agent's document says and only the daemon knows. Must be made without blocking."""

    queue_depth: int = 0
    completed_clips_24h: int = 0
    encoders: tuple[str, ...] = ()


class Work(Protocol):
    """What the coordinator commands. Every call returns at once; `idle` tells when it has been done."""

    def begin(self) -> None:
        """Open the streams. May be called again after they were closed."""
        ...

    def drain(self, *, fast: bool) -> None:
        """Close the streams; finish what is in hand, or (`fast`) give it back. `fast` may follow a drain that
        was not."""
        ...

    def rest(self) -> None:
        """Close the streams, until the next `begin`. What is in hand is finished, however long it takes."""
        ...

    def abort(self) -> None:
        """The lease is lost: cancel the streams, stop ffmpeg (TERM, 3 s, KILL), publish nothing."""
        ...

    def idle(self) -> bool:
        """Streams closed and nothing in hand."""
        ...


@dataclass(frozen=True)
class RoleView:
    """The coordinator as others see it: for `/health`, `ctl status`, systemd's status line."""

    state: State
    role: AgentState
    epoch: int
    """The highest that this agent has led or seen."""
    holder: str | None
    """Who holds the lease, as last seen; None: nobody, or unknown."""
    lease_remaining_seconds: float | None
    """Until it expires: a holder's own guard, a standby's own count. None: no lease is held."""
    eligible: bool
    reasons: tuple[str, ...]
    """Why it is not well or not eligible."""
    why: str
    """One sentence: why it is in this state."""
    paused: bool
    """No automatic takeover."""
    intake: bool
    """False after `ctl pause`: it takes no new clips."""
    answer: IntentAnswer | None
    """Its answer to the newest failover intent it was concerned by."""


SelfChecker = Callable[[], SelfCheck]
FactsReader = Callable[[], Facts]
