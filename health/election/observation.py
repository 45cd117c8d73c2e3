"""The input of an election, and its decisions: frozen data, no behaviour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from clipping.contract.cluster import FailoverIntent, Lease
from health.election.roles import Identity, State
from health.election.timings import Timings


@dataclass(frozen=True, slots=True)
class LeaseView:
    """The lease as this agent has read it. Durations are seconds on its own clock, never written times."""

    kind: Literal["unread", "missing", "broken", "present"] = "unread"
    lease: Lease | None = None
    """Set when present."""
    unchanged_for: float = 0.0
    """Since this version was first read; of a missing object, since it was first found missing."""
    changes: int = 0
    """Number of changes since the observation began."""
    detail: str = ""
    """Of a broken lease: the problem."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Another agent, according to its own record."""

    agent_id: str
    able: bool
    """Standby, eligible, with a recent record."""
    why_not: str = ""
    rank: int = 0


WriteOutcome = Literal["none", "pending", "won", "lost", "unknown"]
"""The result of the newest write: `lost`, another agent has the lease; `unknown`, no response."""
Stop = Literal["no", "graceful", "fast"]
"""Whether this agent was asked to stop, and how."""


@dataclass(frozen=True, slots=True)
class Observation:
    """Everything that a decision depends on."""

    state: State
    state_for: float
    me: Identity
    timings: Timings
    lease: LeaseView = LeaseView()
    reachable: bool = True
    """The last call of the store for the lease got a response, or none has been made yet."""
    elects: bool = True
    """False in `ha.mode` pool and single."""
    predecessors: frozenset[str] = frozenset()
    """Instances that ran on this state directory before: this process has their lock, so they are dead."""
    owned: bool = True
    """A lease under this instance may be renewed by it: see `LeaseClient.owned`."""
    outcome: WriteOutcome = "none"
    guard_remaining: float = 0.0
    failed_polls: int = 0
    eligible: bool = True
    reasons: tuple[str, ...] = ()
    failed_checks: int = 0
    """Failed self-checks in a row."""
    wedged_checks: int = 0
    """Self-checks in a row that found a stalled loop."""
    pause: str | None = None
    """Why no automatic takeover is allowed; None: takeovers are allowed."""
    failover: FailoverIntent | None = None
    answered: str | None = None
    """The operation that this agent answered last."""
    peers: tuple[Peer, ...] | None = None
    """None: not read since the newest intent, or since checks began to fail."""
    hold_down: float = 0.0
    """Seconds until an automatic takeover is allowed again, after recent ones."""
    resigned: float = 0.0
    """Seconds for which this agent holds back after it resigned."""
    uptime: float = 1e9
    candidate_wait: float = 0.0
    read_since_wait: bool = False
    """The lease was read after the candidate's wait."""
    idle: bool = True
    stop: Stop = "no"
    resign: bool = False
    """`ctl drain`."""
    drain_fast: bool = False
    """How the drain in progress was ordered."""
    aborted_for: float | None = None
    """Since the work was aborted."""
    releasing_for: float | None = None
    """Since the first attempt to release the lease."""
    released: bool = False
    """The store has the release, or another agent holds the lease by now."""
    gap: bool = False
    """The loop stalled or the clock jumped: earlier counts are not valid."""


@dataclass(frozen=True, slots=True)
class Begin:
    """Open the streams."""


@dataclass(frozen=True, slots=True)
class Drain:
    """Close the streams; finish the clips in flight, or (fast) give them back."""

    fast: bool


@dataclass(frozen=True, slots=True)
class Abort:
    """Stop the work, publish nothing."""


@dataclass(frozen=True, slots=True)
class Read:
    """Read the lease now."""


TakeoverKind = Literal["first", "expired", "released", "handoff", "predecessor"]


@dataclass(frozen=True, slots=True)
class Acquire:
    """Take the lease by compare-and-set."""

    reason: str
    kind: TakeoverKind


@dataclass(frozen=True, slots=True)
class Release:
    """Drop the guard, then release the lease, or hand it to the drain's target."""


@dataclass(frozen=True, slots=True)
class Resign:
    """Step down as the leader, in favour of `target` if one is named. `hold`: and hold back for a while."""

    target: str | None
    reason: str
    hold: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """Report to the cluster whether a failover intent was accepted."""

    operation_id: str
    accepted: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Exit:
    """End this process with this code: at once for 1, through the daemon for 78."""

    code: int


Action = Begin | Drain | Abort | Read | Acquire | Release | Resign | Answer | Exit


@dataclass(frozen=True, slots=True)
class Decision:
    """The next state, the actions to take, and the reason as one sentence."""

    state: State
    reason: str
    actions: tuple[Action, ...] = ()
    renews: bool = False
    """Renew the lease when that is due."""
    at_once: bool = False
    """Of a candidate: no wait is needed."""
