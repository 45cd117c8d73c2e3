"""Measures the time without a leader after its death, in an otherwise healthy cluster."""

from __future__ import annotations

from typing import Literal

from bench.cluster.hostile import Cluster, timings_of
from clipping.contract.cluster import FailoverIntent, Intent, intent_key

SETTLED_SECONDS = 120.0
PATIENCE_SECONDS = 400.0
STEP_SECONDS = 0.05

How = Literal["kill", "stop", "failover"]


def takeover_seconds(seed: int, *, preset: str, how: How = "kill") -> float:
    """Seconds from kill -9 (`kill`), SIGTERM (`stop`) or a planned failover's intent to the next valid guard,
    with no clip in flight. Infinite without a takeover."""
    cluster = Cluster(seed, agents=2, timings=timings_of(preset))
    world = cluster.world
    for machine in cluster.machines:
        world.after(world.rng.uniform(0, 3), machine.start)
    world.run(SETTLED_SECONDS + world.rng.uniform(0, 60))
    (leader,) = (machine for machine in cluster.machines if machine.leads())
    begin = world.now
    leader.drains_idle = True
    match how:
        case "kill":
            leader.kill()
        case "stop":
            leader.stop()
        case "failover":
            other = next(machine for machine in cluster.machines if machine is not leader)
            _request_failover(cluster, leader.name, other.name)
    while world.now < begin + PATIENCE_SECONDS:
        world.run(world.now + STEP_SECONDS)
        if any(machine.leads() for machine in cluster.machines if machine is not leader):
            return world.now - begin
    return float("inf")


def _request_failover(cluster: Cluster, leader: str, target: str) -> None:
    lease = cluster.lease()
    assert lease is not None
    wanted = FailoverIntent(
        operation_id="op",
        epoch=lease.epoch,
        old_primary=leader,
        target=target,
        requested_at=cluster.world.clock.now(),
    )
    cluster.store.replace(
        intent_key(lease.cluster), Intent(schema=1, failover=wanted).to_json(), expected=None
    )
