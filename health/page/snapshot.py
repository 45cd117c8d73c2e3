"""What an agent says of itself at one moment. Immutable: serving it never waits for who makes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from health.page.redaction import without_paths

Status = Literal["ok", "degraded", "failing"]

MAX_AGE_SECONDS = 15.0
"""An older snapshot means that the thread which makes it is stuck: the agent is not well."""


@dataclass(frozen=True)
class Check:
    """One thing that should be so for the agent to work."""

    ok: bool
    detail: str
    at: float
    """When it was looked at, on the monotonic clock."""
    essential: bool = True
    """Without it the agent can't do its work. What is not essential only degrades it."""
    bars_lead: bool = False
    """Of one that is not essential: while it fails, the agent must not lead if another can."""

    @property
    def needed_to_lead(self) -> bool:
        """Whether an agent without it is not eligible."""
        return self.essential or self.bars_lead


@dataclass(frozen=True)
class ClipInHand:
    """A clip being worked on."""

    request_id: str
    stage: str
    progress_percent: float


@dataclass(frozen=True)
class LeaseSeen:
    """The lease as this agent knows it."""

    holder: str | None = None
    remaining_seconds: float | None = None
    """Until it ends if nobody renews it, counted from the snapshot's time. For the holder: until it must
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
    in_flight: tuple[ClipInHand, ...] = ()
    checks: Mapping[str, Check] = field(default_factory=dict)
    lease: LeaseSeen | None = None
    """None where there is no lease (`pool`, `single`)."""
    eligible: bool = True
    """Whether it may lead."""
    notes: tuple[str, ...] = ()
    """What is out of the ordinary besides the checks, a sentence each."""
    paths: Mapping[str, str] = field(default_factory=dict)
    """Paths that may occur in checks and notes, with the names that stand for them where paths are hidden."""

    @property
    def failed(self) -> dict[str, Check]:
        """The checks that are not well."""
        return {name: check for name, check in self.checks.items() if not check.ok}

    @property
    def reasons(self) -> list[str]:
        """Why it is not well, one sentence each."""
        return [f"{name}: {check.detail}" for name, check in self.failed.items()] + list(self.notes)

    def fresh(self, now: float) -> bool:
        """Whether whoever makes the snapshots still does."""
        return now - self.at <= MAX_AGE_SECONDS

    def status(self, now: float) -> Status:
        """`failing`: it can't do the work of its role; `degraded`: it can, and somebody should look."""
        if not self.fresh(now) or any(check.essential for check in self.failed.values()):
            return "failing"
        return "degraded" if self.reasons or self.role == "fenced" else "ok"

    def active(self, now: float) -> bool:
        """Whether it leads, with a lease that it may still trust."""
        if self.role != "active" or not self.fresh(now):
            return False
        left = None if self.lease is None else self.lease.remaining_seconds
        return left is None or now - self.at < left

    def public(self, text: str) -> str:
        """A check's name, a detail or a reason as anyone may see it: without paths."""
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
