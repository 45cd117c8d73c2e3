"""An administrator moves the lead, at a good moment and at bad ones."""

from __future__ import annotations

import time

import pytest

from clipping.clock import SystemClock
from clipping.cluster import FailoverIntent, Intent, intent_key
from tests.faults.test_takeover import LONG
from tests.support.cluster import CLUSTER, Cluster
from tests.support.waiting import eventually

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(240)]


def test_a_planned_failover_takes_seconds_and_an_old_order_is_ignored(cluster: Cluster) -> None:
    first, second = cluster.nodes
    begun = time.monotonic()
    answer = cluster.failover("agent-1", wait_seconds=30, reason="a new disk")
    assert answer.status_code == 200, answer.text
    done = answer.json()
    assert (done["state"], done["old_primary"], done["new_primary"]) == ("done", "agent-1", "agent-2")
    assert time.monotonic() - begun < 30
    second.becomes("active", within=10, logs=cluster.logs)
    first.becomes("standby", within=10, logs=cluster.logs)
    assert cluster.wait(cluster.ask())["agent_id"] == "agent-2"

    # The same order once more, as if somebody had found it in a drawer: its epoch is over.
    found = cluster.store.get(intent_key(CLUSTER))
    assert found is not None
    stale = FailoverIntent(
        operation_id="failover-20260101-0000000000000000",
        epoch=done["epoch"] - 1,
        old_primary="agent-1",
        target="agent-1",
        requested_at=SystemClock().now(),
    )
    cluster.store.replace(
        intent_key(CLUSTER), Intent(schema=1, failover=stale).to_json(), expected=found[1].version
    )
    time.sleep(6)  # two looks at it
    assert second.leads()
    assert first.role == "standby"
    cluster.settle()


def test_a_failover_with_a_clip_in_hand_finishes_it_first_and_a_second_order_is_refused(
    cluster: Cluster,
) -> None:
    first, second = cluster.nodes
    request_id = cluster.ask(**LONG)
    eventually(lambda: cluster.in_hand(first, request_id), "the cut to be under way", logs=cluster.logs)
    one = cluster.failover("agent-2", wait_seconds=0)
    assert one.status_code == 202, one.text
    again = cluster.failover("agent-1", wait_seconds=0)
    assert again.status_code == 409, again.text
    second.becomes("active", logs=cluster.logs)
    status = cluster.wait(request_id)
    assert (status["agent_id"], status["attempt"]) == ("agent-1", 1)
    cluster.settle()


def test_a_fast_failover_gives_the_clip_back(cluster: Cluster) -> None:
    first, second = cluster.nodes
    request_id = cluster.ask(**LONG)
    eventually(lambda: cluster.in_hand(first, request_id), "the cut to be under way", logs=cluster.logs)
    answer = cluster.failover("agent-1", mode="fast", wait_seconds=40)
    assert answer.status_code == 200, answer.text
    second.becomes("active", within=10, logs=cluster.logs)
    assert cluster.wait(request_id, within=120)["agent_id"] == "agent-2"
    cluster.settle()


def test_while_paused_nobody_takes_over_until_somebody_is_named(cluster: Cluster) -> None:
    first, second = cluster.nodes
    url = f"{cluster.url}/v1/admin/pause"
    assert cluster.admin.post(url, json={"reason": "moving racks"}, timeout=60).status_code == 200
    eventually(lambda: _is_paused(cluster), "the standby to know", every=0.2, logs=cluster.logs)
    first.kill()
    request_id = cluster.ask()
    time.sleep(20)  # twice as long as a lease lasts
    health = second.health()
    assert health is not None
    assert health["role"] == "standby"
    assert any("paused" in reason for reason in health["reasons"]), health["reasons"]
    assert health["status"] == "degraded"
    answer = cluster.failover("agent-2", wait_seconds=30)
    assert answer.status_code == 200, answer.text
    second.becomes("active", within=10, logs=cluster.logs)
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
