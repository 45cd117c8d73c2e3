"""The agents' state for `/health`: two words, within a second."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass

from api.cluster.coordination import Coordination
from api.domain.cluster.snapshot import AgentSeen, Snapshot, agent_status, ineligible, reasons
from clipping.clock import Clock
from clipping.contract.results import AgentHealth
from clipping.errors import CoordinationUnavailable

WAIT_SECONDS = 1.0
"""How long `/health` waits for the store."""
FRESH_SECONDS = 5.0
"""How long the state is cached."""
STALE_SECONDS = 60.0
"""The same, while the store does not respond."""


@dataclass(frozen=True)
class Agents:
    """`none`: there has never been such an agent. `unknown`: the store does not respond."""

    primary: AgentHealth
    standby: AgentHealth
    held_up: bool = False
    """No agent takes requests: the active ones report that they can't, or their store does not respond.
    False where there is no agent at all."""
    leader: str | None = None
    """The id of the agent that leads, if one does."""

    def reasons(self) -> list[str]:
        """A sentence for each problem."""
        parts: tuple[tuple[str, AgentHealth], ...] = (("primary", self.primary), ("standby", self.standby))
        sentences = [f"the {name} agent is {state}" for name, state in parts if state in ("degraded", "down")]
        return [*sentences, "the agents' store does not answer"] if self.primary == "unknown" else sentences


UNKNOWN = Agents("unknown", "unknown", held_up=True)


def judge(snapshot: Snapshot) -> Agents:
    """The agents' state. Without an election, each active agent is a primary."""
    if not snapshot.has_leader:
        words = [_as_worker(agent, snapshot) for agent in snapshot.agents]
        return Agents(_best(words), "none", _held_up(snapshot))
    others = [agent for agent in snapshot.agents if agent.agent_id != snapshot.lease_holder]
    standby = _best([_as_standby(agent, snapshot) for agent in others])
    return Agents(_leader(snapshot), standby, _held_up(snapshot), snapshot.leader)


def _held_up(snapshot: Snapshot) -> bool:
    workers = [
        agent.record
        for agent in snapshot.agents
        if agent.record is not None
        and not agent.down
        and (not snapshot.has_leader or agent.agent_id == snapshot.leader)
    ]
    return bool(workers) and not any(worker.eligible for worker in workers)


def _leader(snapshot: Snapshot) -> AgentHealth:
    if snapshot.lease is None:
        return "down" if snapshot.agents else "none"
    if snapshot.leader is None:
        return "down"
    leader = snapshot.agent(snapshot.leader)
    if leader is None or leader.down:
        return "degraded"  # it renews its lease, but writes no document
    return (
        "healthy"
        if agent_status(leader, snapshot) == "active" and not reasons(leader, snapshot)
        else "degraded"
    )


def _as_standby(agent: AgentSeen, snapshot: Snapshot) -> AgentHealth:
    if agent_status(agent, snapshot) == "down":
        return "down"
    return "degraded" if ineligible(agent, snapshot) else "healthy"


def _as_worker(agent: AgentSeen, snapshot: Snapshot) -> AgentHealth:
    if agent.down:
        return "down"
    return (
        "healthy"
        if agent_status(agent, snapshot) == "active" and not reasons(agent, snapshot)
        else "degraded"
    )


def _best(words: Sequence[AgentHealth]) -> AgentHealth:
    order: tuple[AgentHealth, ...] = ("healthy", "degraded", "down")
    return min(words, key=order.index, default="none")


class AgentsWatch:
    """Reads the store on demand, in a separate thread. Thread-safe."""

    def __init__(self, coordination: Coordination, clock: Clock) -> None:
        self._coordination = coordination
        self._clock = clock
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="agents-watch")
        self._looking: Future[None] | None = None
        self._seen = UNKNOWN
        self._seen_at = self._asked_at = float("-inf")

    def now(self) -> Agents:
        """The agents' state, possibly from the cache. Never raises."""
        with self._lock:
            now = self._clock.monotonic()
            if now - self._asked_at >= FRESH_SECONDS and (self._looking is None or self._looking.done()):
                self._asked_at = now
                self._looking = self._thread.submit(self._look)
            looking = self._looking
        try:
            if looking is not None:
                looking.result(WAIT_SECONDS)
        except FutureTimeout:
            pass  # use the cached state
        return self._seen if self._clock.monotonic() - self._seen_at < STALE_SECONDS else UNKNOWN

    def close(self) -> None:
        """Stop reading. Does not wait for a hanging call."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _look(self) -> None:
        try:
            self._seen = judge(self._coordination.snapshot())
            self._seen_at = self._clock.monotonic()
        except CoordinationUnavailable:
            self._asked_at = float("-inf")  # the next call reads again
