"""What an agent says of itself at one moment. Immutable: serving it never waits for who makes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Check:
    """One thing that must be so for the agent to work."""

    ok: bool
    detail: str
    at: float
    """When it was looked at, on the monotonic clock."""


@dataclass(frozen=True)
class ClipInHand:
    """A clip being worked on."""

    request_id: str
    stage: str
    progress_percent: float


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

    @property
    def reasons(self) -> list[str]:
        """Why it is not well, one sentence a failed check."""
        return [f"{name}: {check.detail}" for name, check in self.checks.items() if not check.ok]

    def body(self, now: float) -> dict[str, Any]:
        """The JSON of `GET /health`. Ages are seconds."""
        return {
            "status": "failing" if self.reasons else "ok",
            "agent_id": self.agent_id,
            "cluster": self.cluster,
            "role": self.role,
            "epoch": self.epoch,
            "in_flight": [
                {
                    "request_id": clip.request_id,
                    "stage": clip.stage,
                    "progress_percent": round(clip.progress_percent, 1),
                }
                for clip in self.in_flight
            ],
            "eligible": not self.reasons,
            "reasons": self.reasons,
            "checks": {
                name: {"ok": check.ok, "detail": check.detail, "age_seconds": round(now - check.at, 1)}
                for name, check in self.checks.items()
            },
            "snapshot_age_seconds": round(now - self.at, 1),
            "version": self.version,
        }


MAX_AGE_SECONDS = 15.0
"""An older snapshot means that the thread which makes it is stuck: the agent is not well."""
