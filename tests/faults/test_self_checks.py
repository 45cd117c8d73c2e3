"""Something that the primary stands on gives way: it hands over, or waits, and fails no request for it."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.support.cluster import Cluster
from tests.support.procs import children_of
from tests.support.waiting import eventually

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(240)]


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

    markers[1].unlink()  # now nobody has it: the leader goes on leading, and takes nothing
    eventually(lambda: second.events("intake.paused"), "the streams to be closed", logs=cluster.logs)
    request_id = cluster.ask()
    markers[1].touch()
    assert cluster.wait(request_id)["status"] == "completed"
    assert cluster.status(request_id)["agent_id"] == "agent-2"
    cluster.settle()


def test_a_full_disk_stops_the_intake_and_a_wedged_engine_the_renewals(cluster: Cluster) -> None:
    _a_full_disk_stops_the_intake_until_there_is_room_again(cluster)
    _a_wedged_engine_stops_the_renewals(cluster)
    cluster.settle()


def _a_full_disk_stops_the_intake_until_there_is_room_again(cluster: Cluster) -> None:
    first, second = cluster.nodes
    for node in (second, first):
        _least(cluster, node.name, 10**15)
        node.signal(signal.SIGHUP)
    eventually(lambda: first.events("intake.paused"), "the streams to be closed", logs=cluster.logs)
    request_id = cluster.ask()
    health = eventually(first.health)
    assert any("make room on that disk" in reason for reason in health["reasons"])
    assert cluster.status(request_id)["status"] == "queued"
    assert first.events("clip.released") == []
    for node in (first, second):
        _least(cluster, node.name, 0)
        node.signal(signal.SIGHUP)
    assert cluster.wait(request_id)["status"] == "completed"


def _least(cluster: Cluster, name: str, number: int) -> None:
    (node,) = (node for node in cluster.nodes if node.name == name)
    node.tree["agent"]["min_free_bytes"] = number
    node.config.write_text(yaml.safe_dump(node.tree))


def _a_wedged_engine_stops_the_renewals(cluster: Cluster) -> None:
    first, second = cluster.nodes
    (server,) = children_of(first.pid)
    os.kill(server, signal.SIGSTOP)  # its threads for HTTP and for the lease live on
    try:
        request_id = cluster.ask()
        second.becomes("active", within=90, logs=cluster.logs)
        assert cluster.wait(request_id, within=90)["agent_id"] == "agent-2"
        assert first.events("agent.wedged")
    finally:
        try:
            os.kill(server, signal.SIGCONT)
        except ProcessLookupError:
            pass  # the agent has ended, and taken it along
