"""The primary is killed between two effects of a clip: the next one detects the first and completes the
rest."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.broker import BrokerProcess
from tests.support.cluster import Cluster
from tests.support.proxy import TcpProxy
from tests.support.waiting import eventually

pytestmark = [pytest.mark.faults, pytest.mark.slow]


def test_killed_after_the_upload_and_around_the_completion(cluster: Cluster) -> None:
    first, second = cluster.nodes
    request_id = cluster.ask(start_seconds=0, end_seconds=20, mode="encode")
    held = cluster.hold_cut(first, request_id)
    cluster.broker.freeze()  # from now on nothing can be published
    held.release()
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


class MutedProxy(TcpProxy):
    """A proxy that withholds the server's responses once a client has sent `mute_after`.

    The server handles the requests, but the client receives no response.
    """

    def __init__(self, target: str) -> None:
        self.responding = threading.Event()
        self.responding.set()
        self.mute_after: bytes | None = None
        super().__init__(target)

    def _before_forward(self, source: socket.socket, data: bytes) -> None:
        if source.getpeername() == self._target:
            self.responding.wait()
        elif self.mute_after is not None and self.mute_after in data:
            self.responding.clear()


@pytest.mark.exhaustive
def test_killed_between_the_publish_and_the_acknowledgement(
    clusters: Callable[..., Cluster], tmp_path: Path
) -> None:
    broker = BrokerProcess(tmp_path / "broker")
    with MutedProxy(broker.host_port) as proxy:
        environ: dict[int, Any] = {0: {"PUBSUB_EMULATOR_HOST": proxy.host_port}}
        cluster = clusters(broker=broker, each_environ=environ)
        first, second = cluster.nodes
        proxy.mute_after = b"topics/clipping-complete"
        try:
            request_id = cluster.ask()
            key = (request_id, "completed")
            eventually(lambda: cluster.witness.completions()[key], "the completion", logs=cluster.logs)
            assert not proxy.responding.is_set(), "the agent has no response yet"
            first.kill()
        finally:
            proxy.responding.set()
        assert cluster.wait(request_id)["agent_id"] == "agent-1", "the first completion counts"
        eventually(lambda: second.events("clip.adopted"), "the redelivery", logs=cluster.logs)
        eventually(lambda: second.events("clip.completed"), "the second completion", logs=cluster.logs)
        assert [one.agent_id for one in cluster.witness.seen] == ["agent-1"]
        assert cluster.witness.completions()[key] == 2
        status = cluster.status(request_id)
        assert (status["status"], status["agent_id"]) == ("completed", "agent-1"), (
            "a second completion changes nothing"
        )
        cluster.settle()
