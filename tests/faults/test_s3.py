"""The lease and the clips in an S3-compatible store."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import requests

from tests.faults.test_takeover import LONG
from tests.support.cluster import Cluster
from tests.support.seaweed import Seaweed

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(240)]


def test_a_primary_is_killed_whose_lease_is_in_seaweedfs(
    clusters: Callable[..., Cluster], seaweed: Seaweed
) -> None:
    cluster = clusters(over={"storage": seaweed.storage()})
    first, second = cluster.nodes
    before = cluster.observer.epochs()[-1]
    request_id = cluster.ask(**LONG)
    cluster.hold_cut(first, request_id)
    first.kill()
    second.becomes("active", logs=cluster.logs)
    status = cluster.wait(request_id, within=120)
    assert (status["status"], status["agent_id"]) == ("completed", "agent-2")
    assert status["output_uri"].startswith(f"s3://{cluster.config.storage.bucket}/clips/")
    assert cluster.observer.epochs()[-1] == before + 1
    answer = requests.get(status["download_url"], timeout=60)
    assert answer.status_code == 200
    assert len(answer.content) == status["file_size_bytes"]
    cluster.settle()
