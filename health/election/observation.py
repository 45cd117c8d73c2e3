"""What an election sees, and what it orders: frozen data, no behaviour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from clipping.contract.cluster import FailoverIntent, Lease
from health.election.roles import Identity, State
from health.election.timings import Timings


@dataclass(frozen=True, slots=True)
class LeaseView:
    """The lease as this agent has seen it. Durations are seconds on its own clock, never written times."""

    kind: Literal["unread", "missing", "broken", "present"] = "unread"
    lease: Lease | None = None
    """Set when present."""
    unchanged_for: float = 0.0
    """Since this version was first seen; of a missing object, since it was first missed."""
    changes: int = 0
    """How often it changed since the observation began."""
    detail: str = ""
    """Of a broken one: what is wrong."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Another agent, by its own document."""

    agent_id: str
    able: bool
    """Standby, eligible and heard of."""
    why_not: str = ""
    rank: int = 0


WriteOutcome = Literal["none", "pending", "won", "lost", "unknown"]
"""What became of the newest write: `lost`, another holder was read back; `unknown`, no answer."""
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
    """The last call to the store about the lease got an answer, or none has been made yet."""
    elects: bool = True
    """False in `ha.mode` pool and single."""
    predecessors: frozenset[str] = frozenset()
    """Instances that ran on this state directory before: their lock is ours now, so they are dead."""
    owned: bool = True
    """A lease under our own instance is ours to renew: see `LeaseHand.owned`."""
    outcome: WriteOutcome = "none"
    guard_remaining: float = 0.0
    failed_polls: int = 0
    eligible: bool = True
    reasons: tuple[str, ...] = ()
    failed_checks: int = 0
    """Self-checks in a row that were not ok."""
    wedged_checks: int = 0
    """Self-checks in a row that found a loop standing still."""
    pause: str | None = None
    """Why no automatic takeover is allowed; None: it is."""
    failover: FailoverIntent | None = None
    answered: str | None = None
    """The operation that this agent answered last."""
    peers: tuple[Peer, ...] | None = None
    """None: not read since the newest intent, or since checks began to fail."""
    hold_down: float = 0.0
    """Seconds until an automatic takeover is allowed again, after so many of late."""
    resigned: float = 0.0
    """Seconds for which this agent leaves the lead to others, as it gave it up."""
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
    """Since the work was told to abort."""
    giving_up_for: float | None = None
    """Since the first attempt to release the lease."""
    given_up: bool = False
    """The store took the release, or another holds the lease by now."""
    gap: bool = False
    """The loop stood still or the clock jumped: what was counted is worth nothing."""


@dataclass(frozen=True, slots=True)
class Begin:
    """Open the streams."""


@dataclass(frozen=True, slots=True)
class Drain:
    """Close the streams; finish, or (fast) give back."""

    fast: bool


@dataclass(frozen=True, slots=True)
class Abort:
    """Stop the work, publish nothing."""


@dataclass(frozen=True, slots=True)
class Look:
    """Read the lease now."""


TakeoverKind = Literal["first", "expired", "released", "handoff", "predecessor"]


@dataclass(frozen=True, slots=True)
class Acquire:
    """Take the lease by compare-and-set."""

    reason: str
    kind: TakeoverKind


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Drop the guard, then release the lease, or hand it to the drain's target."""


@dataclass(frozen=True, slots=True)
class Resign:
    """The lead is being given up: to `target` if one is named. Not to be taken back for a while."""

    target: str | None
    reason: str
    hold: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """Tell the cluster what became of a failover intent."""

    operation_id: str
    accepted: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Exit:
    """End this process, with this code: at once for 1, by way of the daemon for 78."""

    code: int


Action = Begin | Drain | Abort | Look | Acquire | GiveUp | Resign | Answer | Exit


@dataclass(frozen=True, slots=True)
class Decision:
    """The state to be in, what to do, and why, as one sentence."""

    state: State
    reason: str
    actions: tuple[Action, ...] = ()
    renews: bool = False
    """The lease is to be renewed when it is due."""
    at_once: bool = False
    """Of a candidate: there is nothing to wait for."""
