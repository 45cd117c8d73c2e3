"""An administrator moves the lead, at a good moment and at bad ones."""

from __future__ import annotations

import time

import pytest

from clipping.clock import SystemClock
from clipping.contract.cluster import FailoverIntent, Intent, intent_key
from tests.faults.test_takeover import LONG
from tests.support.cluster import CLUSTER, Cluster
from tests.support.waiting import eventually

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(240)]


def test_planned_failovers_in_a_row(cluster: Cluster) -> None:
    first, second = cluster.nodes

    answer = cluster.failover("agent-1", wait_seconds=30, reason="a new disk")
    assert answer.status_code == 200, answer.text
    done = answer.json()
    assert (done["state"], done["old_primary"], done["new_primary"]) == ("done", "agent-1", "agent-2")
    second.becomes("active", logs=cluster.logs)
    first.becomes("standby", logs=cluster.logs)

    # Back again, with a clip in hand: it is finished first, and a second order meanwhile is refused.
    eventually(lambda: _told(cluster, "agent-1") == "standby", "its document to say so", every=0.2)
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

    eventually(lambda: _told(cluster, "agent-2") == "standby", "its document to say so", every=0.2)

    # In a hurry: the clip goes back, and the other agent does it.
    request_id = cluster.ask(**LONG)
    cluster.hold_cut(first, request_id)
    answer = cluster.failover("agent-1", mode="fast", wait_seconds=40)
    assert answer.status_code == 200, answer.text
    second.becomes("active", logs=cluster.logs)
    assert cluster.wait(request_id, within=120)["agent_id"] == "agent-2"

    _an_old_order_is_ignored(cluster, epoch=done["epoch"])
    cluster.settle()


def _told(cluster: Cluster, agent_id: str) -> str:
    """How an agent is, as an administrator sees it: its document is written at most every other second."""
    answer = cluster.admin.get(f"{cluster.url}/v1/admin/agents", timeout=60)
    (agent,) = (one for one in answer.json()["agents"] if one["agent_id"] == agent_id)
    return str(agent["status"])


def _an_old_order_is_ignored(cluster: Cluster, *, epoch: int) -> None:
    """As if somebody had found it in a drawer."""
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
    time.sleep(6)  # two looks at it
    assert [node.role for node in cluster.nodes] == ["standby", "active"]


def test_while_paused_nobody_takes_over_until_somebody_is_named(cluster: Cluster) -> None:
    first, second = cluster.nodes
    url = f"{cluster.url}/v1/admin/pause"
    assert cluster.admin.post(url, json={"reason": "moving racks"}, timeout=60).status_code == 200
    eventually(lambda: _is_paused(cluster), "the standby to know", every=0.2, logs=cluster.logs)
    first.kill()
    request_id = cluster.ask()
    time.sleep(15)  # longer than a lease lasts
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


def test_a_drain_by_ctl_hands_over_and_stays_a_standby(cluster: Cluster) -> None:
    first, second = cluster.nodes
    done = first.command("ctl", "drain")
    assert done.returncode == 0, done.stderr
    second.becomes("active", logs=cluster.logs)
    assert first.role == "standby"
    assert cluster.wait(cluster.ask())["agent_id"] == "agent-2"
    cluster.settle()
