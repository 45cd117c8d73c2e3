"""The primary dies between two effects of a clip: the next one finds what was done, and does the rest."""

from __future__ import annotations

import pytest

from tests.support.cluster import Cluster
from tests.support.waiting import eventually

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(240)]


def test_killed_after_the_upload_and_around_the_completion(cluster: Cluster) -> None:
    first, second = cluster.nodes
    request_id = cluster.ask(start_seconds=0, end_seconds=20, mode="encode")
    eventually(lambda: cluster.in_hand(first, request_id), "the cut to be under way", logs=cluster.logs)
    cluster.broker.freeze()  # from now on nothing can be published
    try:
        eventually(lambda: cluster.objects(request_id), "the upload", logs=cluster.logs)
        first.kill()
    finally:
        cluster.broker.thaw()
    status = cluster.wait(request_id, within=120)
    assert (status["status"], status["agent_id"]) == ("completed", "agent-2")
    assert [event["request_id"] for event in second.events("clip.adopted")] == [request_id]

    first.start()
    request_id = cluster.ask()
    eventually(lambda: cluster.objects(request_id), "the upload", every=0.005, logs=cluster.logs)
    second.kill()  # before the publish, between it and the acknowledgement, or after both
    assert cluster.wait(request_id, within=120)["status"] == "completed"
    first.becomes("active", logs=cluster.logs)
    assert cluster.wait(cluster.ask())["agent_id"] == "agent-1"
    cluster.settle()
