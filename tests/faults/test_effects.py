"""The primary dies between two effects of a clip: the next one finds what was done, and does the rest."""

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

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(240)]


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


class DeafProxy(TcpProxy):
    """One that keeps the server's answers to itself once a client has said `deaf_from`.

    What is asked is done, and the one who asked does not hear of it.
    """

    def __init__(self, target: str) -> None:
        self.hears = threading.Event()
        self.hears.set()
        self.deaf_from: bytes | None = None
        super().__init__(target)

    def _let_through(self, source: socket.socket, data: bytes) -> None:
        if source.getpeername() == self._target:
            self.hears.wait()
        elif self.deaf_from is not None and self.deaf_from in data:
            self.hears.clear()


def test_killed_when_the_completion_is_published_and_the_message_not_acknowledged(
    clusters: Callable[..., Cluster], tmp_path: Path
) -> None:
    broker = BrokerProcess(tmp_path / "broker")
    with DeafProxy(broker.host_port) as proxy:
        environ: dict[int, Any] = {0: {"PUBSUB_EMULATOR_HOST": proxy.host_port}}
        cluster = clusters(broker=broker, each_environ=environ)
        first, second = cluster.nodes
        proxy.deaf_from = b"topics/clipping-complete"
        try:
            request_id = cluster.ask()
            told = (request_id, "completed")
            eventually(lambda: cluster.witness.completions()[told], "the completion", logs=cluster.logs)
            assert not proxy.hears.is_set(), "the agent does not know it yet"
            first.kill()
        finally:
            proxy.hears.set()
        assert cluster.wait(request_id)["agent_id"] == "agent-1", "the first completion counts"
        eventually(lambda: second.events("clip.adopted"), "the message to come again", logs=cluster.logs)
        eventually(lambda: second.events("clip.completed"), "its completion", logs=cluster.logs)
        assert [one.agent_id for one in cluster.witness.seen] == ["agent-1"]
        assert cluster.witness.completions()[told] == 2
        status = cluster.status(request_id)
        assert (status["status"], status["agent_id"]) == ("completed", "agent-1"), (
            "a second one changes nothing"
        )
        cluster.settle()
