"""A dependency of the primary fails: it hands over or waits, and no request fails."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.cluster import Cluster
from tests.support.gcs import FakeGcs, ServiceAccount
from tests.support.iam_server import IamServer
from tests.support.procs import children_of
from tests.support.waiting import eventually

pytestmark = [pytest.mark.faults, pytest.mark.slow]


def test_a_primary_that_loses_its_nas_hands_over_to_a_standby_that_has_it(
    clusters: Callable[..., Cluster], nas: Path, tmp_path: Path
) -> None:
    root = tmp_path / "nas"
    root.mkdir()
    shutil.copy(nas / "night.mp4", root / "night.mp4")
    markers = [root / ".mounted-1", root / ".mounted-2"]
    for marker in markers:
        marker.touch()
    each = {
        number: {"agent": {"nas_roots": [{"path": str(root), "marker": marker.name}]}}
        for number, marker in enumerate(markers)
    }
    cluster = clusters(root, each=each)
    first, second = cluster.nodes
    markers[0].unlink()
    second.becomes("active", logs=cluster.logs)
    first.becomes("standby", logs=cluster.logs)
    assert cluster.wait(cluster.ask())["agent_id"] == "agent-2"
    assert (first.health() or {})["eligible"] is False

    markers[1].unlink()  # now no agent has it: the leader keeps leading, and takes no requests
    eventually(lambda: second.events("intake.paused"), "the streams to be closed", logs=cluster.logs)
    request_id = cluster.ask()
    markers[1].touch()
    assert cluster.wait(request_id)["status"] == "completed"
    assert cluster.status(request_id)["agent_id"] == "agent-2"
    cluster.settle()


@pytest.mark.timeout(420)
def test_a_primary_that_can_not_sign_hands_over_and_requests_wait_while_no_agent_can(
    clusters: Callable[..., Cluster], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExitStack() as stack:
        store = stack.enter_context(FakeGcs())
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", store.url)
        iams = []
        for name in ("iam-1", "iam-2"):
            (tmp_path / name).mkdir()
            iams.append(stack.enter_context(IamServer(tmp_path / name, ServiceAccount(tmp_path / name))))
        cluster = clusters(
            over={"storage": {"backend": "gcs", "bucket": store.bucket(), "path": None}},
            each_environ={number: iam.environment() for number, iam in enumerate(iams)},
        )
        _the_standby_signs_what_the_primary_uploaded(cluster, iams[0])
        _requests_wait_while_no_agent_can_sign(cluster, iams[1])
        cluster.settle()


def _the_standby_signs_what_the_primary_uploaded(cluster: Cluster, iam: IamServer) -> None:
    second = cluster.nodes[1]
    assert cluster.wait(cluster.ask())["agent_id"] == "agent-1"
    iam.iam.allowed = False
    request_id = cluster.ask()
    waits = eventually(
        lambda: (found := cluster.status(request_id)).get("stage") == "retrying" and found,
        "the clip to be retried",
        every=0.2,
        logs=cluster.logs,
    )
    assert (waits["status"], waits["attempt"]) == ("processing", 1)
    assert waits["last_error"]["code"] == "SIGNING_UNAVAILABLE"
    assert "roles/iam.serviceAccountTokenCreator" in waits["last_error"]["message"]
    assert waits["next_attempt_at"] > waits["last_error"]["at"]
    (uploaded,) = cluster.objects(request_id)
    reported = eventually(
        lambda: (found := agent(cluster, "agent-1"))["reasons"] and found,
        "the reason in the admin API",
        every=0.5,
        logs=cluster.logs,
    )
    assert reported["reasons"][0].startswith("signing: SIGNING_UNAVAILABLE: ")
    assert reported["eligible"], "it keeps leading until the standby has had time to check"
    second.becomes("active", within=120, logs=cluster.logs)
    done = cluster.wait(request_id)
    assert (done["status"], done["agent_id"]) == ("completed", "agent-2")
    assert done["attempt"] >= 2
    assert second.events("clip.adopted"), "the clip is not cut again"
    assert cluster.objects(request_id) == [uploaded]
    assert agent(cluster, "agent-1")["eligible"] is False


def _requests_wait_while_no_agent_can_sign(cluster: Cluster, iam: IamServer) -> None:
    second = cluster.nodes[1]
    iam.iam.allowed = False
    eventually(lambda: second.events("intake.paused"), "the streams to be closed", within=90)
    request_id = cluster.ask()
    why = eventually(
        lambda: [one for one in agent(cluster, "agent-2")["reasons"] if "SIGNING_UNAVAILABLE" in one],
        "the reason in the admin API",
        within=120,
        every=1.0,
        logs=cluster.logs,
    )
    assert why[0].startswith("signing: ")
    assert second.leads()
    assert cluster.status(request_id)["status"] == "queued"
    iam.iam.allowed = True
    done = cluster.wait(request_id)
    assert (done["status"], done["agent_id"]) == ("completed", "agent-2")
    assert done["attempt"] <= 2, "at most one delivery was under way when the streams closed"


def agent(cluster: Cluster, agent_id: str) -> dict[str, Any]:
    """An agent's record in the admin API."""
    answer = cluster.admin.get(f"{cluster.url}/v1/admin/agents", timeout=30).json()
    (found,) = (one for one in answer["agents"] if one["agent_id"] == agent_id)
    return dict(found)


def test_a_full_disk_stops_the_intake_and_a_stuck_engine_stops_the_renewals(cluster: Cluster) -> None:
    _a_full_disk_stops_the_intake_until_space_is_free(cluster)
    _a_stuck_engine_stops_the_renewals(cluster)
    cluster.settle()


def _a_full_disk_stops_the_intake_until_space_is_free(cluster: Cluster) -> None:
    first, second = cluster.nodes
    for node in (second, first):
        _set_min_free(cluster, node.name, 10**15)
        node.signal(signal.SIGHUP)
    eventually(lambda: first.events("intake.paused"), "the streams to be closed", logs=cluster.logs)
    request_id = cluster.ask()
    eventually(
        lambda: any(
            "make room on that disk" in reason for reason in (first.health() or {"reasons": []})["reasons"]
        ),
        "the reason on the health page",
        logs=cluster.logs,
    )
    assert cluster.status(request_id)["status"] == "queued"
    assert first.events("clip.released") == []
    for node in (first, second):
        _set_min_free(cluster, node.name, 0)
        node.signal(signal.SIGHUP)
    assert cluster.wait(request_id)["status"] == "completed"


def _set_min_free(cluster: Cluster, name: str, number: int) -> None:
    (node,) = (node for node in cluster.nodes if node.name == name)
    node.tree["agent"]["min_free_bytes"] = number
    node.config.write_text(yaml.safe_dump(node.tree))


def _a_stuck_engine_stops_the_renewals(cluster: Cluster) -> None:
    first, second = cluster.nodes
    (server,) = children_of(first.pid)
    os.kill(server, signal.SIGSTOP)  # its threads for HTTP and for the lease keep running
    try:
        request_id = cluster.ask()
        second.becomes("active", within=90, logs=cluster.logs)
        assert cluster.wait(request_id, within=90)["agent_id"] == "agent-2"
        assert first.events("agent.wedged")
    finally:
        try:
            os.kill(server, signal.SIGCONT)
        except ProcessLookupError:
            pass  # the agent has exited and killed it
