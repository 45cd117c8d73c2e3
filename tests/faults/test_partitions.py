"""The primary, or every agent, is cut off from the store or from Pub/Sub."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.faults.test_takeover import LONG
from tests.support.agent_node import AgentNode
from tests.support.broker import BrokerProcess
from tests.support.cluster import Cluster
from tests.support.gcs import FakeGcs, ServiceAccount
from tests.support.proxy import TcpProxy
from tests.support.waiting import eventually

pytestmark = [pytest.mark.faults, pytest.mark.slow]


class Partitioned:
    """A cluster on a bucket, with one proxy per agent."""

    def __init__(self, cluster: Cluster, proxies: list[TcpProxy]) -> None:
        self.cluster, self.proxies = cluster, proxies


@pytest.fixture
def partitioned(
    clusters: Callable[..., Cluster], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Partitioned]:
    with ExitStack() as stack:
        server = stack.enter_context(FakeGcs())
        account = ServiceAccount(tmp_path)
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(account.key_file))
        host_port = server.url.removeprefix("http://")
        proxies = [stack.enter_context(TcpProxy(host_port)) for _ in range(2)]
        cluster = clusters(
            over={"storage": {"backend": "gcs", "bucket": server.bucket(), "path": None}},
            each_environ={
                number: {"STORAGE_EMULATOR_HOST": f"http://{proxy.host_port}"}
                for number, proxy in enumerate(proxies)
            },
        )
        yield Partitioned(cluster, proxies)
        cluster.close()


def state_at(node: AgentNode, state: str) -> str:
    """The time of its last change to a state, from its log."""
    entries = [entry for entry in node.events("cluster.state") if entry["new"] == state]
    assert entries, f"{node.name} was never {state}"
    return str(entries[-1]["time"])


def test_a_primary_without_the_store_fences_itself_before_the_standby_takes_over(
    partitioned: Partitioned,
) -> None:
    cluster = partitioned.cluster
    first, second = cluster.nodes
    request_id = cluster.ask(**LONG)
    cluster.hold_cut(first, request_id)
    partitioned.proxies[0].hang()
    second.becomes("active", logs=cluster.logs)
    assert state_at(first, "fenced") < state_at(second, "active")
    assert not first.leads()
    status = cluster.wait(request_id, within=120)
    assert (status["status"], status["agent_id"]) == ("completed", "agent-2")

    partitioned.proxies[0].restore()
    first.becomes("standby", logs=cluster.logs)
    eventually(lambda: (first.health() or {}).get("status") == "ok", "it to be healthy", logs=cluster.logs)
    assert second.leads()
    cluster.settle()


def test_no_agent_leads_while_the_store_is_unreachable_and_one_does_afterwards(
    partitioned: Partitioned,
) -> None:
    cluster = partitioned.cluster
    for proxy in partitioned.proxies:
        proxy.refuse()
    eventually(lambda: not any(node.leads() for node in cluster.nodes), "no agent to lead", logs=cluster.logs)
    request_id = cluster.ask()
    until = time.monotonic() + 12  # longer than a lease
    while time.monotonic() < until:
        assert not any(node.leads() for node in cluster.nodes)
        time.sleep(0.5)
    assert cluster.status(request_id)["status"] == "queued"
    for proxy in partitioned.proxies:
        proxy.restore()
    assert cluster.wait(request_id, within=90)["status"] == "completed"
    cluster.settle()


def test_a_primary_without_pubsub_hands_over_to_a_standby_that_has_it(
    clusters: Callable[..., Cluster], tmp_path: Path
) -> None:
    broker = BrokerProcess(tmp_path / "broker")
    with TcpProxy(broker.host_port) as proxy:
        environ: dict[int, Any] = {0: {"PUBSUB_EMULATOR_HOST": proxy.host_port}}
        cluster = clusters(broker=broker, each_environ=environ)
        first, second = cluster.nodes
        proxy.refuse()
        second.becomes("active", within=90, logs=cluster.logs)
        assert cluster.wait(cluster.ask())["agent_id"] == "agent-2"
        health = first.health()
        assert health is not None
        assert (health["role"], health["eligible"]) == ("standby", False)
        proxy.restore()
        eventually(lambda: (first.health() or {}).get("eligible"), "it to be eligible", logs=cluster.logs)
        assert second.leads()
        cluster.settle()
