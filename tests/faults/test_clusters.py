"""Everybody restarts, several die, the lease itself is damaged: one leads, or nobody, and epochs grow."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from clipping.config import overlay
from clipping.contract.cluster import lease_key
from clipping.errors import VersionMismatch
from embedded.layout import free_port
from tests.support.agent_node import AgentNode
from tests.support.cluster import CLUSTER, Cluster
from tests.support.waiting import eventually

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(240)]


def leaders(cluster: Cluster) -> list[str]:
    return [node.name for node in cluster.nodes if node.runs and node.leads()]


def test_of_three_agents_the_last_one_serves_and_those_that_return_stand_by(
    clusters: Callable[..., Cluster],
) -> None:
    cluster = clusters(agents=3)
    first, second, third = cluster.nodes
    first.kill()
    eventually(lambda: len(leaders(cluster)) == 1, "one of two to lead", every=0.3, logs=cluster.logs)
    (leader,) = (node for node in (second, third) if node.leads())
    (other,) = (node for node in (second, third) if node is not leader)
    leader.kill()
    first.start()
    eventually(lambda: leaders(cluster), "one of two to lead", every=0.3, logs=cluster.logs)
    assert cluster.wait(cluster.ask())["status"] == "completed"
    assert len(leaders(cluster)) == 1
    assert {first.role, other.role} == {"active", "standby"}
    cluster.settle()


def test_a_successor_on_the_same_machine_then_all_die_and_one_returns_then_all_restart(
    cluster: Cluster,
) -> None:
    first, second = cluster.nodes
    first.kill()
    first.start()  # as systemd does it: the lease is still its own, and it owns the state folder
    first.becomes("active", within=30, logs=cluster.logs)
    assert second.role == "standby"

    for node in cluster.nodes:
        node.kill()
    request_id = cluster.ask()
    second.start()  # it has to wait for the end of the dead one's lease
    assert cluster.wait(request_id, within=90)["agent_id"] == "agent-2"
    first.start()
    assert first.role == "standby"

    assert [node.stop() for node in cluster.nodes] == [0, 0]
    for node in cluster.nodes:
        node.launch()
    for node in cluster.nodes:
        node.wait_ready()
    cluster.leader()
    assert cluster.wait(cluster.ask())["status"] == "completed"
    assert len(leaders(cluster)) == 1
    cluster.settle()


def test_a_damaged_lease_promotes_nobody_and_one_that_is_gone_is_made_anew(cluster: Cluster) -> None:
    key = lease_key(CLUSTER)
    before = cluster.observer.epochs()[-1]
    found = cluster.store.stat(key)
    assert found is not None
    _damage(cluster, key)
    eventually(lambda: not leaders(cluster), "nobody to trust the lease", every=0.3, logs=cluster.logs)
    request_id = cluster.ask()
    time.sleep(15)  # longer than a lease lasts
    assert leaders(cluster) == []
    told = [health for node in cluster.nodes if (health := node.health()) is not None]
    assert {health["status"] for health in told} == {"degraded"}, told
    assert all("nobody leads" in health["reasons"][0] for health in told), told
    assert cluster.status(request_id)["status"] == "queued"

    cluster.store.delete(key)  # what the operator does
    assert cluster.wait(request_id, within=90)["status"] == "completed"
    assert cluster.observer.epochs()[-1] > before
    cluster.settle()


def _damage(cluster: Cluster, key: str) -> None:
    def spoil() -> bool:
        found = cluster.store.stat(key)
        assert found is not None
        try:
            cluster.store.replace(key, b'{"schema": 1, "cluster":', expected=found.version)
        except VersionMismatch:
            return False  # a renewal came between
        return True

    eventually(spoil, "a damaged lease")


def test_a_second_agent_under_the_same_id_gives_up_and_says_why(cluster: Cluster) -> None:
    first, _ = cluster.nodes
    own = {"agent": {"state_dir": str(cluster.folder / "twin")}, "health": {"port": free_port()}}
    twin = AgentNode("twin", overlay(first.tree, own), cluster.folder, cluster.environ)
    twin.launch()
    try:
        assert twin.wait(60) == 78
    finally:
        twin.close()
    assert "agent.id" in twin.tail()
    assert first.leads()
    assert cluster.wait(cluster.ask())["agent_id"] == "agent-1"
    cluster.settle()
