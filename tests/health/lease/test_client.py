"""The lease by compare-and-set: its holder, and the start of its validity, when responses are lost."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from clipping.clock import ManualClock
from clipping.contract.cluster import Lease, lease_key
from clipping.store.memory import MemoryStore
from health.cluster.registry import prepare_cluster
from health.election.roles import Identity
from health.lease.client import ConfirmedWrite, LeaseClient, read_lease
from health.lease.observations import LeaseObservations
from tests.health.scripted import Fate, ScriptedCalls

CLUSTER = "main"
LIMIT = 5.0


class Agent:
    """A client of the lease in the store that a test's agents share."""

    def __init__(self, name: str, store: MemoryStore, clock: ManualClock, *fates: Fate) -> None:
        self.clock = clock
        self.calls = ScriptedCalls(*fates)
        self.observations = LeaseObservations()
        self.client = LeaseClient(
            cluster=CLUSTER,
            me=Identity(name, f"{name}-1", f"host-{name}", f"http://{name}"),
            ttl=30,
            store=store,
            clock=clock,
            calls=self.calls,
            limit=LIMIT,
            observations=self.observations,
        )

    def settle(self) -> ConfirmedWrite | None:
        """Collect every result, and let calls without one time out."""
        confirmed = None
        while self.client.busy:
            if not self.client.ready():
                self.clock.advance(LIMIT)
            confirmed = self.client.collect() or confirmed
        return confirmed

    def read(self) -> None:
        self.client.read()
        self.settle()

    def acquire(self) -> ConfirmedWrite | None:
        self.read()
        self.client.acquire("test", "released")
        return self.settle()

    def renew(self) -> ConfirmedWrite | None:
        self.client.renew()
        return self.settle()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(clock: ManualClock) -> MemoryStore:
    store = MemoryStore(clock)
    prepare_cluster(store, CLUSTER, clock=clock, ttl_seconds=30)
    return store


def current(store: MemoryStore) -> Lease:
    lease = read_lease(store, CLUSTER).lease
    assert lease is not None
    return lease


def test_it_is_acquired_renewed_and_released(store: MemoryStore, clock: ManualClock) -> None:
    agent = Agent("a", store, clock)
    taken = agent.acquire()
    assert taken is not None
    assert (taken.lease.epoch, taken.lease.holder, taken.lease.state) == (1, "a", "held")
    clock.advance(10)
    renewed = agent.renew()
    assert renewed is not None
    assert (renewed.sent_at, renewed.lease.epoch, renewed.lease.reason) == (10.0, 1, "test")
    agent.client.release(None, "enough")
    given = agent.settle()
    assert given is not None
    assert (given.goal, current(store).state, current(store).reason) == ("release", "released", "enough")


def test_of_two_agents_at_once_one_acquires_it(store: MemoryStore, clock: ManualClock) -> None:
    first, second = Agent("a", store, clock), Agent("b", store, clock)
    second.read()
    assert first.acquire() is not None
    second.client.acquire("too late", "expired")
    assert second.settle() is None
    assert second.client.outcome == "lost"
    assert current(store).holder == "a"


@pytest.mark.parametrize("fate", ["done twice", "done"])
def test_a_412_for_our_own_write_is_ours(fate: Fate, store: MemoryStore, clock: ManualClock) -> None:
    """A doubled request is answered with 412 by its second copy."""
    agent = Agent("a", store, clock, "done", fate)
    assert agent.acquire() is not None
    assert agent.client.outcome == "won"


def test_a_write_without_a_response_counts_from_its_own_sending(
    store: MemoryStore, clock: ManualClock
) -> None:
    agent = Agent("a", store, clock)
    agent.acquire()
    clock.advance(10)
    agent.calls.fates = ["done unanswered"]
    assert agent.renew() is None
    assert agent.client.outcome == "unknown"
    assert not agent.client.reachable
    confirmed = agent.renew()  # refused: the one before is there
    assert agent.client.outcome == "won"
    assert confirmed is not None
    assert confirmed.sent_at == 10.0, "the renewal that is in the store, and not the one that was refused"
    assert clock.monotonic() == 15.0


def test_a_503_after_the_write_is_detected(store: MemoryStore, clock: ManualClock) -> None:
    agent = Agent("a", store, clock, "done", "done refused")
    assert agent.acquire() is None
    assert agent.client.outcome == "unknown"
    assert current(store).holder == "a"
    assert agent.client.owned(current(store))


def test_a_lost_write_changes_nothing_and_is_retried(store: MemoryStore, clock: ManualClock) -> None:
    agent = Agent("a", store, clock)
    agent.acquire()
    agent.calls.fates = ["lost"]
    assert agent.renew() is None
    confirmed = agent.renew()
    assert confirmed is not None
    assert confirmed.sent_at == LIMIT


def test_a_write_that_arrives_late_can_not_undo_another_leader(
    store: MemoryStore, clock: ManualClock
) -> None:
    old, new = Agent("a", store, clock), Agent("b", store, clock)
    old.acquire()
    old.calls.fates = ["lost"]
    old.renew()
    assert new.acquire() is not None
    old.calls.arrive()
    assert current(store).holder == "b"
    assert old.renew() is None
    assert old.client.outcome == "lost"


def test_a_release_that_lost_to_a_late_renewal_is_repeated(store: MemoryStore, clock: ManualClock) -> None:
    agent = Agent("a", store, clock)
    agent.acquire()
    agent.calls.fates = ["done unanswered"]
    agent.renew()
    agent.client.release(None, "stop")
    assert agent.settle() is None
    assert agent.client.outcome == "unknown"
    agent.client.release(None, "stop")
    assert agent.settle() is not None
    assert current(store).state == "released"


def test_a_release_does_not_affect_another_holder(store: MemoryStore, clock: ManualClock) -> None:
    old, new = Agent("a", store, clock), Agent("b", store, clock)
    old.acquire()
    new.acquire()
    old.client.release(None, "stop")
    assert old.settle() is None
    assert old.client.outcome == "lost"
    assert (current(store).holder, current(store).state) == ("b", "held")


def test_the_epoch_grows_over_a_deleted_lease(store: MemoryStore, clock: ManualClock) -> None:
    """By the store's own time in seconds, for an agent that never read the last one."""
    knows, new = Agent("a", store, clock), Agent("b", store, clock)
    knows.observations.highest_epoch = 3_000_000_000
    store.delete(lease_key(CLUSTER))
    taken = new.acquire()
    assert taken is not None
    assert taken.lease.epoch == int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
    store.delete(lease_key(CLUSTER))
    taken = knows.acquire()
    assert taken is not None
    assert taken.lease.epoch == 3_000_000_001


def test_a_lease_that_was_created_without_a_response_is_not_owned(
    store: MemoryStore, clock: ManualClock
) -> None:
    """Another may have made one and lost it while the request was on its way."""
    store.delete(lease_key(CLUSTER))
    agent = Agent("a", store, clock, "done", "lost")
    assert agent.acquire() is None
    agent.calls.arrive()
    agent.read()
    assert current(store).holder == "a"
    assert not agent.client.owned(current(store))


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "Lease"),
        (b"{}", "cluster"),
        (b'{"schema": 2}', "schema"),
        (b"\xff\xfe", "Lease"),
        (b"[" * 100_000, "Lease"),
        (b"x" * (1 << 20), "Lease"),
    ],
)
def test_invalid_content_is_reported_and_never_overwritten(
    data: bytes, problem: str, store: MemoryStore, clock: ManualClock
) -> None:
    found = store.get(lease_key(CLUSTER))
    assert found is not None
    store.replace(lease_key(CLUSTER), data, expected=found[1].version)
    reading = read_lease(store, CLUSTER)
    assert reading.lease is None
    assert problem in (reading.broken or "")
    agent = Agent("a", store, clock)
    agent.read()
    with pytest.raises(AssertionError):
        agent.client.acquire("would overwrite it", "expired")


def test_an_object_that_no_lease_can_be_is_broken(
    store: MemoryStore, clock: ManualClock, tmp_path: Path
) -> None:
    store.delete(lease_key(CLUSTER))
    huge = tmp_path / "huge"
    huge.write_bytes(bytes((1 << 20) + 1))
    store.create(lease_key(CLUSTER), huge, content_type="application/json", metadata={})
    assert "too many" in (read_lease(store, CLUSTER).broken or "")


def test_another_clusters_lease_is_broken_here(store: MemoryStore, clock: ManualClock) -> None:
    found = store.get(lease_key(CLUSTER))
    assert found is not None
    strange = current(store).model_copy(update={"cluster": "other"})
    store.replace(lease_key(CLUSTER), strange.to_json(), expected=found[1].version)
    assert read_lease(store, CLUSTER).broken == "it belongs to the cluster other"


def test_a_store_that_does_not_answer_is_unreachable_and_then_reachable(
    store: MemoryStore, clock: ManualClock
) -> None:
    agent = Agent("a", store, clock, "lost")
    agent.read()
    assert not agent.client.reachable
    assert agent.observations.reading is None
    agent.read()
    assert agent.client.reachable


def test_the_lease_keeps_how_it_was_acquired(store: MemoryStore, clock: ManualClock) -> None:
    first, second = Agent("nas-1", store, clock), Agent("nas-2", store, clock)
    first.acquire()
    since = current(store).renewed_at
    first.client.release("nas-2", "failover")
    first.settle()
    kept = current(store).acquisition
    assert kept is not None
    assert (kept.kind, kept.at, kept.former_epoch) == ("released", since, 0)
    second.read()
    clock.advance(3)
    second.client.acquire("handed over", "handoff")
    second.settle()
    second.renew()
    how = current(store).acquisition
    assert how is not None
    assert (how.kind, how.former_agent, how.former_epoch) == ("handoff", "nas-1", 1)
    assert (how.unchanged_seconds, how.former_reason, how.former_target) == (3, "failover", "nas-2")
