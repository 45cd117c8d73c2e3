"""What the API does when the agents' documents are damaged, or out of reach."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest

from api.cluster.coordination import SECONDS, Coordination
from clipping.contract.cluster import Intent, Pause, agent_key, intent_key, lease_key
from clipping.errors import CoordinationUnavailable, VersionMismatch
from clipping.store.gcs import GcsStore
from clipping.store.memory import MemoryStore
from tests.api.cluster.documents import CLUSTER, NOW, Agents, lease
from tests.support.gcs import FakeGcs
from tests.support.procs import state_of
from tests.support.waiting import eventually


@pytest.fixture
def agents() -> Agents:
    made = Agents(MemoryStore())
    made.pair()
    return made


@pytest.fixture
def coordination(agents: Agents) -> Iterator[Coordination]:
    made = Coordination(agents.store, CLUSTER, has_leader=True)
    yield made
    made.close()


def test_an_empty_store_is_a_cluster_without_agents() -> None:
    made = Coordination(MemoryStore(), CLUSTER, has_leader=True)
    empty = made.snapshot()
    assert (empty.lease, empty.agents, empty.intent, empty.intent_version) == (None, [], Intent(), None)
    made.close()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "content"),
        (b"\xff\xfe", "content"),
        (b"[]", "object"),
        (b'{"schema": 1, "cluster": "default"}', "state"),
        (lease().to_json().replace(b'"epoch":7', b'"epoch":-1'), "epoch"),
        (lease().to_json().replace(b'"schema":1', b'"schema":2'), "schema"),
        (lease(cluster="another").to_json(), "another cluster"),
        (b"x" * (1 << 20), "content"),
    ],
)
def test_a_broken_lease_is_loud(data: bytes, words: str, agents: Agents, coordination: Coordination) -> None:
    agents.put(lease_key(CLUSTER), data)
    with pytest.raises(CoordinationUnavailable) as caught:
        coordination.snapshot()
    assert lease_key(CLUSTER) in caught.value.message
    assert words in caught.value.message


def test_a_broken_intent_is_loud(agents: Agents, coordination: Coordination) -> None:
    agents.put(intent_key(CLUSTER), b'{"schema": 1, "failover": {"target": "nas-2"}}')
    with pytest.raises(CoordinationUnavailable, match=r"intent\.json.*failover\.operation_id"):
        coordination.snapshot()


def test_an_agents_broken_document_is_that_agents_trouble(agents: Agents, coordination: Coordination) -> None:
    agents.put(agent_key(CLUSTER, "nas-2"), b"{}")
    agents.put(agent_key(CLUSTER, "nas-3"), agents.store.get(agent_key(CLUSTER, "nas-1"))[0])  # type: ignore[index]
    seen = {agent.agent_id: agent for agent in coordination.snapshot().agents}
    assert not seen["nas-1"].down
    assert seen["nas-2"].down
    assert seen["nas-3"].problem == "its document is nas-1's"


def test_an_intent_is_only_replaced_at_the_expected_version(
    agents: Agents, coordination: Coordination
) -> None:
    before = coordination.snapshot()
    pause = Pause(reason="", paused_by="ops", paused_at=NOW)
    coordination.replace_intent(Intent(pause=pause), expected=before.intent_version)
    with pytest.raises(VersionMismatch):
        coordination.replace_intent(Intent(), expected=before.intent_version)
    assert coordination.snapshot().intent.pause == pause


def test_frequent_callers_get_a_cached_snapshot(agents: Agents, coordination: Coordination) -> None:
    first = coordination.snapshot()
    agents.lead(epoch=8)
    assert coordination.recent(3600) is first
    assert coordination.recent(0).epoch == 8


def test_a_bucket_that_hangs_or_is_gone_is_unavailable_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeGcs() as gcs:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs.url)
        store = GcsStore(gcs.bucket())
        Agents(store).pair()
        coordination = Coordination(store, CLUSTER, has_leader=True)
        assert coordination.snapshot().leader == "nas-1"
        os.kill(gcs.pid, signal.SIGSTOP)
        eventually(lambda: state_of(gcs.pid) == "T", "the bucket to stop")
        began = time.monotonic()
        with pytest.raises(CoordinationUnavailable):
            coordination.snapshot()
        assert time.monotonic() - began < SECONDS + 5
        os.kill(gcs.pid, signal.SIGCONT)
        assert coordination.snapshot().leader == "nas-1"
        gcs.stop()
        with pytest.raises(CoordinationUnavailable, match="not available"):
            coordination.snapshot()
        coordination.close()
        store.close()
