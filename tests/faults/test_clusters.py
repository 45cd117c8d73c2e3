"""All agents restart, several are killed, or the lease is damaged: at most one leads, and epochs increase."""

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

pytestmark = [pytest.mark.faults, pytest.mark.slow]


def leaders(cluster: Cluster) -> list[str]:
    return [node.name for node in cluster.nodes if node.runs and node.leads()]


@pytest.mark.exhaustive
def test_the_last_of_three_agents_serves_and_restarted_ones_are_standbys(
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


@pytest.mark.exhaustive
def test_restarts_of_the_primary_and_of_all_agents(
    cluster: Cluster,
) -> None:
    first, second = cluster.nodes
    first.kill()
    first.start()  # like systemd: it still has the lease and the state folder
    first.becomes("active", within=30, logs=cluster.logs)
    assert second.role == "standby"

    for node in cluster.nodes:
        node.kill()
    request_id = cluster.ask()
    second.start()  # it has to wait until the dead agent's lease expires
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


def test_no_agent_leads_with_a_damaged_lease_and_a_deleted_one_is_created_again(cluster: Cluster) -> None:
    key = lease_key(CLUSTER)
    before = cluster.observer.epochs()[-1]
    found = cluster.store.stat(key)
    assert found is not None
    _damage(cluster, key)
    eventually(lambda: not leaders(cluster), "no agent to trust the lease", every=0.3, logs=cluster.logs)
    request_id = cluster.ask()
    time.sleep(15)  # longer than a lease
    assert leaders(cluster) == []
    reported = [health for node in cluster.nodes if (health := node.health()) is not None]
    assert {health["status"] for health in reported} == {"degraded"}, reported
    assert all("no agent leads" in health["reasons"][0] for health in reported), reported
    assert cluster.status(request_id)["status"] == "queued"

    cluster.store.delete(key)  # as an operator would
    assert cluster.wait(request_id, within=90)["status"] == "completed"
    assert cluster.observer.epochs()[-1] > before
    cluster.settle()


def _damage(cluster: Cluster, key: str) -> None:
    def replaced() -> bool:
        found = cluster.store.stat(key)
        assert found is not None
        try:
            cluster.store.replace(key, b'{"schema": 1, "cluster":', expected=found.version)
        except VersionMismatch:
            return False  # a concurrent renewal
        return True

    eventually(replaced, "a damaged lease")


def test_a_second_agent_with_the_same_id_exits_with_a_reason(cluster: Cluster) -> None:
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
