"""The primary is killed in a long encode: the standby takes over, and goes on behind what is in the store."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
import requests

from agent.resources.stored_checkpoints import look
from clipping.contract.checkpoint import StoredCheckpoint, checkpoint_folder
from tests.support.cluster import Cluster
from tests.support.waiting import eventually

pytestmark = [pytest.mark.faults, pytest.mark.slow]

LONG = {"start_seconds": 0, "end_seconds": 55, "mode": "encode"}


def stored(cluster: Cluster, request_id: str, *, segments: int = 0) -> StoredCheckpoint | None:
    """What the store has of a clip, if that is at least `segments` segments."""
    found = look(cluster.store, request_id)
    checkpoint = None if found is None else found.checkpoint
    return checkpoint if checkpoint is not None and checkpoint.segment >= segments else None


@pytest.mark.parametrize("store", ["local", pytest.param("s3", marks=pytest.mark.exhaustive)])
def test_a_standby_goes_on_with_the_encode_of_a_killed_primary(
    clusters: Callable[..., Cluster], store: str, request: pytest.FixtureRequest
) -> None:
    over: dict[str, Any] = {"checkpoints": {"remote": True, "segment_seconds": 5}}
    if store == "s3":
        over["storage"] = request.getfixturevalue("seaweed").storage()
    cluster = clusters(over=over)
    first, second = cluster.nodes
    request_id = cluster.ask(**LONG)
    eventually(
        lambda: stored(cluster, request_id, segments=2),
        "segments in the store",
        within=90,
        every=0.02,
        logs=cluster.logs,
    )
    epoch = cluster.observer.epochs()[-1]
    first.kill()
    before = stored(cluster, request_id)
    assert before is not None
    assert (before.agent_id, before.segment < before.segments) == ("agent-1", True)
    second.becomes("active", logs=cluster.logs)
    status = cluster.wait(request_id, within=120)
    assert (status["status"], status["agent_id"]) == ("completed", "agent-2")
    assert status["resumed_count"] == 1
    assert status["report"]["frames"] == before.total
    [downloaded] = second.events("checkpoint.downloaded")
    assert (downloaded["by"], downloaded["segments"]) == ("agent-1", before.segment)
    [resumed] = second.events("clip.resumed")
    assert resumed["frame"] == before.frame
    left = checkpoint_folder(request_id)
    eventually(lambda: not cluster.store.list(left).objects, "an empty folder", logs=cluster.logs)
    assert cluster.observer.epochs()[-1] == epoch + 1
    answer = requests.get(status["download_url"], timeout=60)
    assert hashlib.sha256(answer.content).hexdigest() == status["sha256"]
    cluster.settle()
