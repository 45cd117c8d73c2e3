"""What the availability machinery counts, in Prometheus terms. Served at `/metrics`."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from health.page.snapshot import Snapshot

ROLES = ("active", "standby", "draining", "fenced")

RENEWALS = Counter("clipping_lease_renewals_total", "Tries of the holder to renew its lease", ["result"])
TAKEOVERS = Counter("clipping_takeovers_total", "Times that this agent took the lease", ["kind"])
REFUSED = Counter("clipping_health_refused_total", "Calls of the health page beyond its limits")

_ROLE = Gauge("clipping_agent_role", "1 for the agent's role, 0 for the others", ["role"])
_EPOCH = Gauge("clipping_lease_epoch", "The newest epoch that this agent has led or seen")
_REMAINING = Gauge(
    "clipping_lease_remaining_seconds", "Until the lease ends if nobody renews it; 0 where there is none"
)
_ELIGIBLE = Gauge("clipping_agent_eligible", "1 when this agent may lead")
_PUBLIC, _PRIVATE = CollectorRegistry(), CollectorRegistry()
"""What is shown to anyone, and what is shown in its place with the paths in it."""
_CHECKS = [
    Gauge("clipping_check_ok", "1 for a check that is well", ["check"], registry=registry)
    for registry in (_PUBLIC, _PRIVATE)
]
_IN_HAND = Gauge("clipping_clips_in_hand", "Clips being worked on")
_SNAPSHOT = Gauge(
    "clipping_snapshot_monotonic_seconds", "When the agent last looked at itself (CLOCK_BOOTTIME)"
)


def show(snapshot: Snapshot) -> None:
    """Bring the gauges up to a snapshot."""
    for role in ROLES:
        _ROLE.labels(role).set(role == snapshot.role)
    _EPOCH.set(snapshot.epoch)
    lease = snapshot.lease
    _REMAINING.set(lease.remaining_seconds or 0.0 if lease is not None else 0.0)
    _ELIGIBLE.set(snapshot.eligible)
    _IN_HAND.set(len(snapshot.in_flight))
    _SNAPSHOT.set(snapshot.at)
    public, private = _CHECKS
    for name, check in snapshot.checks.items():
        public.labels(snapshot.public(name)).set(check.ok)
        private.labels(name).set(check.ok)


def text(*, show_paths: bool) -> bytes:
    """Everything, in Prometheus's text format."""
    return generate_latest() + generate_latest(_PRIVATE if show_paths else _PUBLIC)
