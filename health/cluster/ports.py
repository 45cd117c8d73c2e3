"""What a member is built from: its place in the cluster, the systems it uses, and the local agent."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from clipping.clock import Clock
from clipping.store.port import Store
from health.cluster.poller import PollFunction
from health.election.roles import FactsReader, Identity, SelfChecker, Work
from health.election.timings import Timings
from health.lease.calls import Calls
from health.lease.guard import Guard
from health.lease.persistence import StateStorage


@dataclass(frozen=True, slots=True)
class Membership:
    """Which agent of which cluster this is, and its timings."""

    cluster: str
    me: Identity
    timings: Timings


@dataclass(frozen=True, slots=True)
class Ports:
    """The systems outside this process, time and randomness: a simulation replaces all of them."""

    clock: Clock
    store: Store
    calls: Calls
    """Makes the calls to the store, the polls and the writes to disk, without blocking."""
    poll: PollFunction
    state_storage: StateStorage
    rng: random.Random


@dataclass(frozen=True, slots=True)
class LocalAgent:
    """The rest of this process."""

    work: Work
    guard: Guard | None
    """None: no election (`ha.mode` pool and single)."""
    self_check: SelfChecker
    facts: FactsReader
    exit: Callable[[int], None]
    """Ends the process at once with this exit code."""

    @property
    def elects(self) -> bool:
        return self.guard is not None

    def guard_remaining(self) -> float | None:
        """Seconds of validity left, 0 or less once it has expired; None without an election."""
        return self.guard.remaining() if self.guard is not None else None
