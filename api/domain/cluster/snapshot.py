"""A snapshot of a cluster from its documents in the store. Pure.

Ages are differences of two times of the store's clock: when an object was written, and now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from clipping.contract.cluster import HEARTBEAT_SECONDS, AgentRecord, AgentStatus, Intent, Lease

DOWN_SECONDS = 3 * HEARTBEAT_SECONDS
"""An agent that has not written its document for this long is down. It writes three times in this period."""
LATE_SECONDS = HEARTBEAT_SECONDS + 10.0
"""An agent with an older document has missed a heartbeat, which may only be due to a slow store."""


@dataclass(frozen=True)
class LeaseSeen:
    """The lease as it is in the store."""

    lease: Lease
    written_at: datetime
    age_seconds: float

    @property
    def led(self) -> bool:
        """Whether an agent leads: a lease that has not changed for its TTL has expired."""
        return self.lease.state == "held" and not self.has_run_out

    @property
    def has_run_out(self) -> bool:
        return self.age_seconds > self.lease.ttl_seconds


@dataclass(frozen=True)
class AgentSeen:
    """An agent's document. `record` is None if it can't be parsed; `problem` then states why."""

    agent_id: str
    written_at: datetime
    age_seconds: float
    record: AgentRecord | None
    problem: str = ""

    @property
    def down(self) -> bool:
        return self.record is None or self.age_seconds > DOWN_SECONDS


@dataclass(frozen=True)
class Snapshot:
    """All documents of a cluster. `has_leader`: whether its agents elect one (`ha.mode`)."""

    cluster: str
    has_leader: bool
    now: datetime
    """By the store's clock."""
    lease: LeaseSeen | None
    intent: Intent
    intent_version: str | None
    """The version of the intent's object; None when there is none."""
    agents: Sequence[AgentSeen]

    @property
    def leader(self) -> str | None:
        """The id of the current leader, by the lease."""
        return self.lease.lease.holder if self.lease is not None and self.lease.led else None

    @property
    def lease_holder(self) -> str | None:
        """The agent that the lease belongs to, even if it has expired; None when it was released or there is
        none."""
        held = self.lease is not None and self.lease.lease.state == "held"
        return self.lease.lease.holder if self.lease is not None and held else None

    @property
    def epoch(self) -> int:
        """The lease's epoch; without a lease, the highest one that an agent has seen."""
        if self.lease is not None:
            return self.lease.lease.epoch
        return max((agent.record.epoch for agent in self.agents if agent.record), default=0)

    @property
    def paused(self) -> bool:
        """Whether automatic takeovers are off."""
        return self.intent.pause is not None and self.intent.pause.holds(self.now)

    def agent(self, agent_id: str) -> AgentSeen | None:
        """The agent with this name, if it has ever written its document."""
        return next((agent for agent in self.agents if agent.agent_id == agent_id), None)


def agent_status(agent: AgentSeen, snapshot: Snapshot) -> AgentStatus:
    """An agent's status: its own, unless the lease shows that it is out of date.

    `fenced` is always the agent's own report. An agent that loses its lease writes its document at once, so
    one that still claims the lead comes from an agent that is dead or can't reach the store: it is down.
    """
    if agent.record is None or agent.down:
        return "down"
    own = agent.record.state
    if not snapshot.has_leader:
        return own
    if snapshot.leader == agent.agent_id:
        return own if own == "draining" else "active"
    if own not in ("active", "draining") or agent.record.epoch > snapshot.epoch:
        return own  # or it took over after the lease was read
    return _without_its_lease(agent, own, snapshot)


def _without_its_lease(agent: AgentSeen, own: AgentStatus, snapshot: Snapshot) -> AgentStatus:
    """The status of an agent that claims the lead without holding the lease."""
    if agent.age_seconds > LATE_SECONDS:
        return "down"
    if _gave_up(agent, snapshot):
        return "draining"
    handed_over = own == "draining" and snapshot.lease_holder != agent.agent_id
    # Without a lease, trust its own status: the lease was deleted, which the agent detects within seconds.
    return own if handed_over or snapshot.lease is None else "down"


def reasons(agent: AgentSeen, snapshot: Snapshot) -> list[str]:
    """Why an agent is unhealthy or can't take over: its own reasons, and those found in the store."""
    if agent.record is None:
        return [agent.problem]
    own = list(agent.record.reasons)
    if agent_status(agent, snapshot) == "down":
        return [f"down: {_why_down(agent, snapshot)}", *own]
    claims = agent.record.state in ("active", "draining")
    return ["there is no lease", *own] if claims and snapshot.has_leader and snapshot.lease is None else own


def ineligible(agent: AgentSeen, snapshot: Snapshot) -> str | None:
    """Why the agent can't take over, as a sentence; None when it can."""
    now = agent_status(agent, snapshot)
    if now == "standby" and agent.record is not None and agent.record.eligible:
        return None
    why = "; ".join(reasons(agent, snapshot))
    if now == "standby":
        return why or "it reports that it is not eligible"
    return why or f"it is {now}"


def _gave_up(agent: AgentSeen, snapshot: Snapshot) -> bool:
    lease = snapshot.lease.lease if snapshot.lease else None
    return lease is not None and lease.state != "held" and lease.holder == agent.agent_id


def _why_down(agent: AgentSeen, snapshot: Snapshot) -> str:
    last_write = f"its last report was {agent.age_seconds:.0f} s ago"
    if agent.age_seconds > LATE_SECONDS or snapshot.lease is None:
        return last_write
    if snapshot.lease_holder == agent.agent_id:
        return f"its lease ran out, it was last renewed {snapshot.lease.age_seconds:.0f} s ago"
    return f"{last_write}, and {snapshot.lease.lease.holder} has its lease"
