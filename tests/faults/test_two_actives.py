"""Two agents work at the same time, which the lease should prevent: every request still completes once."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from clipping.contract.cluster import lease_key
from tests.support.cluster import CLUSTER, Cluster

pytestmark = [pytest.mark.faults, pytest.mark.slow]

LEAST_CLIPS, MOST_SECONDS = 8, 90.0
BOTH = {"agent-1", "agent-2"}


def met(cluster: Cluster) -> bool:
    """Whether a request was delivered twice and both agents have completed some, by the API's account: the
    test's precondition."""
    twice = any(node.events("clip.adopted") + node.events("clip.joined") for node in cluster.nodes)
    statuses = [cluster.status(request_id) for request_id in cluster.asked]
    return twice and {each["agent_id"] for each in statuses if each["status"] == "completed"} >= BOTH


def test_each_request_completes_once_while_two_agents_lead(clusters: Callable[..., Cluster]) -> None:
    # Mode `pool` disables the lease guard: both take messages, cut, upload and publish.
    cluster = clusters(over={"ha": {"mode": "pool"}})
    until = time.monotonic() + MOST_SECONDS
    while len(cluster.asked) < LEAST_CLIPS or not met(cluster):
        assert time.monotonic() < until, "no request was delivered twice, or one agent did everything"
        mode = "encode" if len(cluster.asked) % 4 == 0 else "copy"
        request_id = cluster.ask(start_seconds=2, end_seconds=6, mode=mode)
        cluster.redeliver(request_id)  # the other agent also receives it, perhaps at the same time
        time.sleep(0.7)
    ends = [cluster.wait(request_id, within=120) for request_id in cluster.asked]
    assert {status["status"] for status in ends} == {"completed"}
    assert {status["agent_id"] for status in ends} == BOTH
    assert cluster.store.stat(lease_key(CLUSTER)) is None
    cluster.settle()
