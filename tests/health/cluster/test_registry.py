from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clipping.clock import ManualClock
from clipping.contract.cluster import AgentRecord, BrokenDocument, agent_key, intent_key, lease_key
from clipping.store.memory import MemoryStore
from health.cluster.registry import OwnRecord, prepare_cluster, read_intent, read_peers
from health.lease.client import read_lease

CLUSTER = "main"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(clock: ManualClock) -> MemoryStore:
    return MemoryStore(clock)


def record(clock: ManualClock, agent_id: str, **over: Any) -> AgentRecord:
    fields: dict[str, Any] = {
        "schema": 1,
        "agent_id": agent_id,
        "cluster": CLUSTER,
        "instance": f"{agent_id}-1",
        "host": "h",
        "state": "standby",
        "epoch": 1,
        "eligible": True,
        "version": "1",
        "started_at": clock.now(),
        "heartbeat_at": clock.now(),
    }
    return AgentRecord(**{**fields, **over})


def write(store: MemoryStore, clock: ManualClock, agent_id: str, **over: Any) -> None:
    own = OwnRecord(store, CLUSTER, agent_id, f"{agent_id}-1")
    own.writer(record(clock, agent_id, **over))()


def test_a_new_cluster_gets_a_released_lease_once(store: MemoryStore, clock: ManualClock) -> None:
    assert prepare_cluster(store, CLUSTER, clock=clock, ttl_seconds=30)
    lease = read_lease(store, CLUSTER).lease
    assert lease is not None
    assert (lease.state, lease.epoch) == ("released", 0)
    assert not prepare_cluster(store, CLUSTER, clock=clock, ttl_seconds=30)


def test_a_new_lease_can_be_reserved_for_one_agent(store: MemoryStore, clock: ManualClock) -> None:
    assert prepare_cluster(store, CLUSTER, clock=clock, ttl_seconds=30, first="nas-1")
    lease = read_lease(store, CLUSTER).lease
    assert lease is not None
    assert (lease.state, lease.target) == ("released", "nas-1")


def test_a_cluster_that_lost_its_lease_gets_none(store: MemoryStore, clock: ManualClock) -> None:
    """Its leader may be alive: a missing lease is not a free one."""
    write(store, clock, "nas-1")
    assert not prepare_cluster(store, CLUSTER, clock=clock, ttl_seconds=30)
    assert store.get(lease_key(CLUSTER)) is None
    assert prepare_cluster(store, "another", clock=clock, ttl_seconds=30)


def test_peers_are_able_when_they_are_standbys_with_a_recent_record(
    store: MemoryStore, clock: ManualClock
) -> None:
    write(store, clock, "gone")
    clock.advance(91)
    write(store, clock, "me")
    write(store, clock, "good", rank=3)
    write(store, clock, "failing", eligible=False, reasons=("no NAS",))
    write(store, clock, "busy", state="draining")
    store.replace(agent_key(CLUSTER, "odd"), b"{", expected=None)
    peers = {peer.agent_id: peer for peer in read_peers(store, CLUSTER, "me")}
    assert set(peers) == {"gone", "good", "failing", "busy", "odd"}
    assert (peers["good"].able, peers["good"].rank) == (True, 3)
    assert [name for name, peer in peers.items() if peer.able] == ["good"]
    assert "has not written its record" in peers["gone"].why_not
    assert peers["failing"].why_not == "no NAS"
    assert "draining" in peers["busy"].why_not
    assert "not valid" in peers["odd"].why_not


def test_the_age_of_a_record_does_not_depend_on_its_writers_clock(
    store: MemoryStore, clock: ManualClock
) -> None:
    write(store, clock, "nas-2", heartbeat_at="1999-01-01T00:00:00Z", started_at="2999-01-01T00:00:00Z")
    assert read_peers(store, CLUSTER, "me")[0].able


def test_an_agent_replaces_its_record_from_before_a_restart(store: MemoryStore, clock: ManualClock) -> None:
    write(store, clock, "nas-1", epoch=1)
    again = OwnRecord(store, CLUSTER, "nas-1", "nas-1-2")
    for epoch in (2, 3):
        again.writer(record(clock, "nas-1", epoch=epoch))()
    found = store.get(agent_key(CLUSTER, "nas-1"))
    assert found is not None
    assert AgentRecord.from_json(found[0]).epoch == 3


def test_a_duplicate_id_is_reported(
    store: MemoryStore, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    one, other = OwnRecord(store, CLUSTER, "nas-1", "x"), OwnRecord(store, CLUSTER, "nas-1", "y")
    one.writer(record(clock, "nas-1", instance="x"))()
    other.writer(record(clock, "nas-1", instance="y"))()
    assert "agent.duplicate_id" not in caplog.text
    one.writer(record(clock, "nas-1", instance="x"))()
    assert "agent.duplicate_id" in caplog.text


def test_a_missing_intent_is_empty_and_an_invalid_one_raises(store: MemoryStore, tmp_path: Path) -> None:
    assert read_intent(store, CLUSTER).failover is None
    version = store.replace(intent_key(CLUSTER), b'{"pause": 1}', expected=None).version
    with pytest.raises(BrokenDocument, match="pause"):
        read_intent(store, CLUSTER)
    store.delete(intent_key(CLUSTER), expected=version)
    huge = tmp_path / "huge"
    huge.write_bytes(bytes((1 << 20) + 1))
    store.create(intent_key(CLUSTER), huge, content_type="application/json", metadata={})
    with pytest.raises(BrokenDocument):
        read_intent(store, CLUSTER)
