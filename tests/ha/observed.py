"""Builds observations from their differences to a default."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from clipping.contract.cluster import FailoverIntent, Lease
from health.election.observation import LeaseView, Observation
from health.election.roles import Identity, State
from health.election.timings import Timings

ME = Identity("nas-1", "instance-1", "host-1", "http://nas-1:8005", rank=0)
TIMINGS = Timings(
    ttl=30,
    deadline=20,
    renew=10,
    retry=2,
    call=4,
    drain=300,
    poll=30,
    poll_failures=3,
    poll_retry=5,
    poll_timeout=3,
)
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


def lease(**over: Any) -> Lease:
    """Another agent's, held; `over` replaces fields."""
    fields: dict[str, Any] = {
        "schema": 1,
        "cluster": "c",
        "state": "held",
        "epoch": 7,
        "holder": "nas-2",
        "instance": "instance-2",
        "host": "host-2",
        "seq": 3,
        "health_url": "http://nas-2:8005",
        "ttl_seconds": 30,
        "renewed_at": MOMENT,
    }
    return Lease(**{**fields, **over})


def mine(**over: Any) -> Lease:
    """Held by this very process."""
    return lease(**{"holder": "nas-1", "instance": "instance-1", "host": "host-1", **over})


def seen(unchanged_for: float = 1.0, changes: int = 0, **over: Any) -> LeaseView:
    """Another agent's lease as a standby sees it."""
    return LeaseView("present", lease(**over), unchanged_for, changes)


def held_by_me(**over: Any) -> LeaseView:
    return LeaseView("present", mine(**over), 1.0)


def failover(**over: Any) -> FailoverIntent:
    fields: dict[str, Any] = {
        "operation_id": "op-1",
        "epoch": 7,
        "old_primary": "nas-1",
        "target": "nas-2",
        "requested_at": MOMENT,
    }
    return FailoverIntent(**{**fields, **over})


def standby(**over: Any) -> Observation:
    """An eligible standby that watches another agent's lease."""
    return Observation(State.STANDBY, over.pop("state_for", 600.0), ME, TIMINGS, **{"lease": seen(), **over})


def active(**over: Any) -> Observation:
    """A healthy leader with a clip in flight."""
    fields: dict[str, Any] = {"lease": held_by_me(), "guard_remaining": 15.0, "idle": False}
    return Observation(State.ACTIVE, over.pop("state_for", 600.0), ME, TIMINGS, **{**fields, **over})


def draining(**over: Any) -> Observation:
    fields: dict[str, Any] = {"lease": held_by_me(), "guard_remaining": 15.0, "idle": False}
    return Observation(State.DRAINING, over.pop("state_for", 1.0), ME, TIMINGS, **{**fields, **over})
