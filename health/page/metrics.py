"""The Prometheus metrics of election, lease and health page, served at `/metrics`."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from health.page.snapshot import Snapshot

ROLES = ("active", "standby", "draining", "fenced")

RENEWALS = Counter("clipping_lease_renewals_total", "Attempts of the leader to renew its lease", ["result"])
TAKEOVERS = Counter("clipping_takeovers_total", "Times that this agent acquired the lease", ["kind"])
REFUSED = Counter("clipping_health_refused_total", "Calls of the health page refused by its rate limits")

_ROLE = Gauge("clipping_agent_role", "1 for the agent's role, 0 for the others", ["role"])
_EPOCH = Gauge("clipping_lease_epoch", "The highest epoch that this agent has led or read")
_REMAINING = Gauge(
    "clipping_lease_remaining_seconds", "Until the lease expires if it is not renewed; 0 without a lease"
)
_ELIGIBLE = Gauge("clipping_agent_eligible", "1 when this agent may lead")
_PUBLIC, _PRIVATE = CollectorRegistry(), CollectorRegistry()
"""What any client sees, and its counterpart with paths."""
_CHECKS = [
    Gauge("clipping_check_ok", "1 for a check that passes", ["check"], registry=registry)
    for registry in (_PUBLIC, _PRIVATE)
]
_IN_FLIGHT = Gauge("clipping_clips_in_hand", "Clips in flight")
_SNAPSHOT = Gauge(
    "clipping_snapshot_monotonic_seconds", "When the agent last updated its snapshot (CLOCK_BOOTTIME)"
)


def show(snapshot: Snapshot) -> None:
    """Set the gauges to a snapshot."""
    for role in ROLES:
        _ROLE.labels(role).set(role == snapshot.role)
    _EPOCH.set(snapshot.epoch)
    lease = snapshot.lease
    _REMAINING.set(lease.remaining_seconds or 0.0 if lease is not None else 0.0)
    _ELIGIBLE.set(snapshot.eligible)
    _IN_FLIGHT.set(len(snapshot.in_flight))
    _SNAPSHOT.set(snapshot.at)
    public, private = _CHECKS
    for name, check in snapshot.checks.items():
        public.labels(snapshot.public(name)).set(check.ok)
        private.labels(name).set(check.ok)


def text(*, show_paths: bool) -> bytes:
    """All metrics in Prometheus's text format."""
    return generate_latest() + generate_latest(_PRIVATE if show_paths else _PUBLIC)
