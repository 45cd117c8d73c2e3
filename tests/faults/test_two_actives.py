"""Two agents work at the same time, as no lease should ever let them: every request still ends once."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from clipping.cluster import lease_key
from tests.support.cluster import CLUSTER, Cluster

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(240)]

SECONDS = 12.0


def test_requests_complete_once_each_while_two_lead(clusters: Callable[..., Cluster]) -> None:
    # `pool` is the lease guard switched off: both take messages, cut, upload and publish.
    cluster = clusters(over={"ha": {"mode": "pool"}})
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        mode = "encode" if len(cluster.asked) % 4 == 0 else "copy"
        request_id = cluster.ask(start_seconds=2, end_seconds=6, mode=mode)
        cluster.redeliver(request_id)  # the other one gets it as well, perhaps at the same time
        time.sleep(0.7)
    ends = [cluster.wait(request_id, within=120) for request_id in cluster.asked]
    assert {status["status"] for status in ends} == {"completed"}
    assert {status["agent_id"] for status in ends} == {"agent-1", "agent-2"}
    assert cluster.store.stat(lease_key(CLUSTER)) is None
    twice = [node.events("clip.adopted") + node.events("clip.joined") for node in cluster.nodes]
    assert sum(map(len, twice)), "no request ever came twice: this test has tested nothing"
    assert len(cluster.asked) >= 3
    cluster.settle()
