"""An agent's state at one moment. Immutable: serving it never waits for the thread that makes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from health.page.redaction import without_paths

Status = Literal["ok", "degraded", "failing"]

MAX_AGE_SECONDS = 15.0
"""An older snapshot means that the thread which makes it has stalled: the agent is failing."""


@dataclass(frozen=True)
class Check:
    """The result of one check."""

    ok: bool
    detail: str
    at: float
    """When it was made, on the monotonic clock."""
    essential: bool = True
    """Whether its failure makes the agent unable to work; others only degrade it."""
    bars_lead: bool = False
    """Of one that is not essential: while it fails, the agent must not lead if another agent can."""

    @property
    def needed_to_lead(self) -> bool:
        """Whether its failure makes the agent ineligible."""
        return self.essential or self.bars_lead


@dataclass(frozen=True)
class ClipInFlight:
    """A clip in flight."""

    request_id: str
    stage: str
    progress_percent: float


@dataclass(frozen=True)
class LeaseSeen:
    """The lease as this agent last read it."""

    holder: str | None = None
    remaining_seconds: float | None = None
    """Until it expires if it is not renewed, counted from the snapshot's time. For the holder: until it must
    stop."""


@dataclass(frozen=True)
class Snapshot:
    """The agent's state; `at` on the monotonic clock."""

    agent_id: str
    cluster: str
    role: str
    epoch: int
    at: float
    version: str
    in_flight: tuple[ClipInFlight, ...] = ()
    checks: Mapping[str, Check] = field(default_factory=dict)
    lease: LeaseSeen | None = None
    """None without an election (`pool`, `single`)."""
    eligible: bool = True
    """Whether it may lead."""
    notes: tuple[str, ...] = ()
    """Problems besides the failed checks, one sentence each."""
    paths: Mapping[str, str] = field(default_factory=dict)
    """Paths that may occur in checks and notes, with the names that replace them where paths are hidden."""

    @property
    def failed(self) -> dict[str, Check]:
        """The checks that fail."""
        return {name: check for name, check in self.checks.items() if not check.ok}

    @property
    def reasons(self) -> list[str]:
        """All problems, one sentence each."""
        return [f"{name}: {check.detail}" for name, check in self.failed.items()] + list(self.notes)

    def fresh(self, now: float) -> bool:
        """Whether the thread that makes the snapshots still runs."""
        return now - self.at <= MAX_AGE_SECONDS

    def status(self, now: float) -> Status:
        """`failing`: it can't do the work of its role; `degraded`: it can, but an operator should act."""
        if not self.fresh(now) or any(check.essential for check in self.failed.values()):
            return "failing"
        return "degraded" if self.reasons or self.role == "fenced" else "ok"

    def active(self, now: float) -> bool:
        """Whether it is the leader, with a valid lease."""
        if self.role != "active" or not self.fresh(now):
            return False
        left = None if self.lease is None else self.lease.remaining_seconds
        return left is None or now - self.at < left

    def public(self, text: str) -> str:
        """A check's name, a detail or a reason for any client: without paths."""
        return without_paths(text, self.paths)

    def body(self, now: float, *, show_paths: bool) -> dict[str, Any]:
        """The JSON of `GET /health`. Ages are seconds."""
        shown = str if show_paths else self.public
        age = now - self.at
        stale = [] if self.fresh(now) else [f"the last snapshot is {age:.1f} s old"]
        return {
            "status": self.status(now),
            "agent_id": self.agent_id,
            "cluster": self.cluster,
            "role": self.role,
            "epoch": self.epoch,
            "lease": self._lease(age),
            "in_flight": [
                {
                    "request_id": clip.request_id,
                    "stage": clip.stage,
                    "progress_percent": round(clip.progress_percent, 1),
                }
                for clip in self.in_flight
            ],
            "eligible": self.eligible and not stale,
            "reasons": stale + [shown(reason) for reason in self.reasons],
            "checks": {
                shown(name): {
                    "ok": check.ok,
                    "detail": shown(check.detail),
                    "age_seconds": round(now - check.at, 1),
                }
                for name, check in self.checks.items()
            },
            "snapshot_age_seconds": round(age, 1),
            "version": self.version,
        }

    def _lease(self, age: float) -> dict[str, Any]:
        lease = self.lease or LeaseSeen()
        left = lease.remaining_seconds
        return {
            "holder": lease.holder,
            "remaining_seconds": None if left is None else round(max(0.0, left - age), 1),
        }
