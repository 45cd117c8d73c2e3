"""Planned failovers, with and without clips in flight."""

from __future__ import annotations

import time

import pytest

from clipping.clock import SystemClock
from clipping.contract.cluster import FailoverIntent, Intent, intent_key
from tests.faults.test_takeover import LONG
from tests.support.cluster import CLUSTER, Cluster
from tests.support.waiting import eventually

pytestmark = [pytest.mark.faults, pytest.mark.slow]


def test_planned_failovers_in_a_row(cluster: Cluster) -> None:
    first, second = cluster.nodes

    answer = cluster.failover("agent-1", wait_seconds=30, reason="a new disk")
    assert answer.status_code == 200, answer.text
    done = answer.json()
    assert (done["state"], done["old_primary"], done["new_primary"]) == ("done", "agent-1", "agent-2")
    second.becomes("active", logs=cluster.logs)
    first.becomes("standby", logs=cluster.logs)

    # Back again, with a clip in flight: it is finished first, and a second failover meanwhile is rejected.
    eventually(
        lambda: _reported_status(cluster, "agent-1") == "standby", "its document to be written", every=0.2
    )
    request_id = cluster.ask(**LONG)
    held = cluster.hold_cut(second, request_id)
    one = cluster.failover("agent-1", wait_seconds=0)
    assert one.status_code == 202, one.text
    again = cluster.failover("agent-1", wait_seconds=0)
    assert again.status_code == 409, again.text
    held.release()
    first.becomes("active", logs=cluster.logs)
    status = cluster.wait(request_id)
    assert (status["status"], status["agent_id"], status["attempt"]) == ("completed", "agent-2", 1)

    eventually(
        lambda: _reported_status(cluster, "agent-2") == "standby", "its document to be written", every=0.2
    )

    # Fast: the clip is returned to the queue, and the other agent cuts it.
    request_id = cluster.ask(**LONG)
    cluster.hold_cut(first, request_id)
    answer = cluster.failover("agent-1", mode="fast", wait_seconds=40)
    assert answer.status_code == 200, answer.text
    second.becomes("active", logs=cluster.logs)
    assert cluster.wait(request_id, within=120)["agent_id"] == "agent-2"

    _an_outdated_intent_is_ignored(cluster, epoch=done["epoch"])
    cluster.settle()


def _reported_status(cluster: Cluster, agent_id: str) -> str:
    """The status of an agent in the admin API: its document is written at most every two seconds."""
    answer = cluster.admin.get(f"{cluster.url}/v1/admin/agents", timeout=60)
    (agent,) = (one for one in answer.json()["agents"] if one["agent_id"] == agent_id)
    return str(agent["status"])


def _an_outdated_intent_is_ignored(cluster: Cluster, *, epoch: int) -> None:
    """Write an outdated failover intent."""
    found = cluster.store.get(intent_key(CLUSTER))
    assert found is not None
    stale = FailoverIntent(
        operation_id="failover-20260101-0000000000000000",
        epoch=epoch,
        old_primary="agent-2",
        target="agent-1",
        requested_at=SystemClock().now(),
    )
    intent = Intent(schema=1, failover=stale)
    cluster.store.replace(intent_key(CLUSTER), intent.to_json(), expected=found[1].version)
    time.sleep(6)  # two polls of the intent
    assert [node.role for node in cluster.nodes] == ["standby", "active"]


def test_while_paused_no_agent_takes_over_without_a_named_failover(cluster: Cluster) -> None:
    first, second = cluster.nodes
    url = f"{cluster.url}/v1/admin/pause"
    assert cluster.admin.post(url, json={"reason": "moving racks"}, timeout=60).status_code == 200
    eventually(lambda: _is_paused(cluster), "the standby to be paused", every=0.2, logs=cluster.logs)
    first.kill()
    request_id = cluster.ask()
    time.sleep(15)  # longer than a lease
    health = second.health()
    assert health is not None
    assert (health["role"], health["status"]) == ("standby", "degraded")
    assert _is_paused(cluster)
    answer = cluster.failover("agent-2", wait_seconds=30)
    assert answer.status_code == 200, answer.text
    second.becomes("active", logs=cluster.logs)
    assert cluster.wait(request_id)["agent_id"] == "agent-2"
    cluster.settle()


def _is_paused(cluster: Cluster) -> bool:
    health = cluster.nodes[1].health() or {"reasons": []}
    return any("paused" in reason for reason in health["reasons"])


@pytest.mark.exhaustive
def test_a_drain_by_ctl_hands_over_and_stays_a_standby(cluster: Cluster) -> None:
    first, second = cluster.nodes
    done = first.command("ctl", "drain")
    assert done.returncode == 0, done.stderr
    second.becomes("active", logs=cluster.logs)
    assert first.role == "standby"
    assert cluster.wait(cluster.ask())["agent_id"] == "agent-2"
    cluster.settle()
