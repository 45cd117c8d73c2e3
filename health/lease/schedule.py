"""When to read the lease, when to renew it, when to retry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from health.election.observation import Resign, TakeoverKind
from health.election.roles import State
from health.election.timings import FREQUENT_READ_SECONDS, Timings
from health.lease.client import LeaseClient

NEVER = float("-inf")
WATCHING = (State.STANDBY, State.CANDIDATE, State.FENCED)

LeaseCall = Literal["read", "renew", "release"]


@dataclass(frozen=True, slots=True)
class LeaseTask:
    """What the newest decision requires of the lease."""

    state: State
    renew: bool = False
    """Renew it whenever that is due."""
    read_now: bool = False
    """Read it as soon as no other call is in progress."""
    read_often: bool = False
    """A planned failover has this agent as its target."""
    release: Resign | None = None
    """Release it to this target, for this reason."""


def next_call(task: LeaseTask, *, owned: bool) -> LeaseCall:
    """The call to make next. `owned`: the lease, as last read, is held by this process."""
    if task.state in WATCHING or not owned:
        return "read"
    return "renew" if task.release is None else "release"


class LeaseSchedule:
    """Starts the next call for the lease when none is in progress and one is due."""

    def __init__(self, client: LeaseClient, timings: Timings) -> None:
        self._client, self._timings = client, timings
        self._read_at = self._written_at = self._renewed_at = NEVER
        self._read_now = False

    def acquire(self, reason: str, kind: TakeoverKind, now: float) -> None:
        """Take the lease: the one write that an election orders itself."""
        self._written_at = now
        self._client.acquire(reason, kind)

    def renewed(self, sent_at: float) -> None:
        """The store has a write that was sent then and extends the lease."""
        self._renewed_at = sent_at

    def run(self, task: LeaseTask, now: float) -> float:
        """Start what is due. Returns when this is to be called next, if no call ends until then."""
        self._read_now = self._read_now or task.read_now
        if not self._client.busy and now >= self._due(task):
            self._start(task, now)
        return self._due(task)

    def _start(self, task: LeaseTask, now: float) -> None:
        if task.state in WATCHING:
            self._read_at, self._read_now = now, False
        else:
            self._written_at = now
        match next_call(task, owned=self._client.owns_newest()):
            case "read":
                self._client.read()
            case "renew":
                self._client.renew()
            case "release":
                assert task.release is not None
                self._client.release(task.release.target, task.release.reason)

    def _due(self, task: LeaseTask) -> float:
        if self._client.busy:
            return self._client.due
        if task.state in WATCHING:
            return self._read_due(task)
        if task.state not in (State.ACTIVE, State.DRAINING):
            return float("inf")
        retry = self._written_at + self._timings.retry
        if task.release is not None:
            # The first attempt is sent at once, later ones with pauses.
            return retry if self._client.goal == "release" else NEVER
        if not task.renew:
            return float("inf")
        return max(self._renewed_at + self._timings.renew, retry)

    def _read_due(self, task: LeaseTask) -> float:
        if self._read_now:
            return NEVER
        due = self._read_at + (FREQUENT_READ_SECONDS if task.read_often else self._timings.tick)
        expiry = self._client.observations.since + self._timings.ttl
        return min(due, expiry) if expiry > self._read_at else due
