"""Failovers over time: two instances, a database of either kind, one store, a clock that the test holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

import pytest

from api.cluster.coordination import Coordination
from api.cluster.failovers import Failovers, Wanted
from api.db import schema
from api.db.engine import Database
from api.domain.cluster.outcome import Operation
from clipping.clock import ManualClock
from clipping.config import Ha
from clipping.contract.choices import FailoverMode
from clipping.contract.cluster import intent_key
from clipping.errors import OperationRunning
from clipping.store.memory import MemoryStore
from tests.api.cluster.documents import CLUSTER, NOW, Agents

LASTS = {"graceful": 300 + 2 * 30 + 60, "fast": 2 * 30 + 60}


class Instance:
    """One instance of the API, as far as failovers go."""

    def __init__(self, database: Database, store: MemoryStore, clock: ManualClock) -> None:
        self.coordination = Coordination(store, CLUSTER, has_leader=True)
        self.failovers = Failovers(database, self.coordination, clock, cluster=CLUSTER, ha=Ha())

    def begin(self, agent_id: str = "nas-1", mode: FailoverMode = "graceful") -> Operation:
        return self.failovers.begin(Wanted(agent_id, mode=mode, reason="upgrade", requested_by="ops"))

    def find(self, operation: Operation) -> Operation:
        found = self.failovers.find(operation.operation_id)
        assert found is not None
        return found


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def store(clock: ManualClock) -> MemoryStore:
    return MemoryStore(clock)


@pytest.fixture
def agents(store: MemoryStore) -> Agents:
    made = Agents(store)
    made.pair()
    return made


@pytest.fixture
def instances(
    database_url: str, store: MemoryStore, clock: ManualClock
) -> Iterator[tuple[Instance, Instance]]:
    databases = [Database(database_url, connections=4) for _ in range(2)]
    schema.migrate(databases[0])
    one, other = (Instance(database, store, clock) for database in databases)
    yield one, other
    for instance, database in zip((one, other), databases, strict=True):
        instance.coordination.close()
        database.close()


def test_any_instance_reports_the_progress(instances: tuple[Instance, Instance], agents: Agents) -> None:
    one, other = instances
    operation = one.begin()
    assert other.find(operation) == operation
    assert agents.requested() == operation.intent()
    agents.report("nas-1", state="draining")
    assert other.find(operation).state == "draining"
    agents.obey()
    done = other.find(operation)
    assert (done.state, done.new_primary, done.epoch) == ("done", "nas-2", 8)
    assert one.find(operation) == done
    agents.lead(holder="nas-3", epoch=9)  # what comes later is another story
    assert one.find(operation) == done


def test_there_is_one_at_a_time(instances: tuple[Instance, Instance], agents: Agents) -> None:
    one, other = instances
    first = one.begin()
    for instance in instances:
        with pytest.raises(OperationRunning, match=first.operation_id):
            instance.begin()
    assert agents.requested() == first.intent()
    agents.obey()
    second = other.begin("nas-2")
    assert (second.old_primary, second.target, second.old_epoch) == ("nas-2", "nas-1", 8)


@pytest.mark.parametrize("mode", get_args(FailoverMode))
def test_an_expired_failover_is_withdrawn(
    mode: FailoverMode, instances: tuple[Instance, Instance], agents: Agents, clock: ManualClock
) -> None:
    one, other = instances
    operation = one.begin(mode=mode)
    clock.advance(LASTS[mode] - 1)
    agents.pair()
    other.failovers.tidy()
    assert agents.requested() == operation.intent()
    clock.advance(1)
    other.failovers.tidy()
    assert agents.requested() is None
    expired = one.find(operation)
    assert (expired.state, expired.error) == ("expired", "timed out: nas-1 still leads")
    assert one.begin().state == "pending"


def test_a_forgotten_one_does_not_keep_the_next_from_beginning(
    instances: tuple[Instance, Instance], agents: Agents, clock: ManualClock
) -> None:
    one, other = instances
    one.begin()
    clock.advance(LASTS["graceful"])
    agents.pair()
    second = other.begin()
    assert agents.requested() == second.intent()


def test_a_refused_failover_is_withdrawn_at_once(
    instances: tuple[Instance, Instance], agents: Agents
) -> None:
    one, _ = instances
    operation = one.begin()
    answer = {"operation_id": operation.operation_id, "accepted": False, "reason": "the NAS is away"}
    agents.report("nas-2", eligible=False, reasons=("the NAS is away",), intent=answer)
    refused = one.find(operation)
    assert (refused.state, refused.error) == ("failed", "nas-2 refused: the NAS is away")
    assert agents.requested() is None


def test_a_write_that_got_through_late_is_taken_back(
    instances: tuple[Instance, Instance], agents: Agents, clock: ManualClock
) -> None:
    one, other = instances
    operation = one.begin()
    agents.store.delete(intent_key(CLUSTER))
    clock.advance(60)
    agents.pair()
    assert one.find(operation).state == "failed"
    agents.put(intent_key(CLUSTER), one.coordination.snapshot().intent.to_json())
    late = one.coordination.snapshot().intent.model_copy(update={"failover": operation.intent()})
    agents.put(intent_key(CLUSTER), late.to_json())
    other.failovers.tidy()
    assert agents.requested() is None


def test_a_pause_outlives_failovers_and_the_other_way_round(
    instances: tuple[Instance, Instance], agents: Agents
) -> None:
    one, other = instances
    assert one.failovers.pause(reason="upgrade", until=None, paused_by="ops").paused
    operation = other.begin()
    assert agents.intent().pause is not None
    assert one.failovers.pause(reason="longer", until=None, paused_by="ops").paused
    assert agents.requested() == operation.intent()
    assert not other.failovers.resume(reason="", resumed_by="ops").paused
    assert agents.requested() == operation.intent()
    agents.obey()
    assert one.find(operation).state == "done"


def test_waiting_ends_with_the_failover_or_with_its_time(
    instances: tuple[Instance, Instance], agents: Agents, clock: ManualClock
) -> None:
    one, _ = instances
    operation = one.begin()
    assert one.failovers.wait(operation, 3).state == "pending"
    assert clock.monotonic() == 3
    agents.obey()
    assert one.failovers.wait(operation, 55).state == "done"
    assert clock.monotonic() < 5


def test_there_is_nothing_to_tidy_without_failovers(instances: tuple[Instance, Instance]) -> None:
    instances[0].failovers.tidy()
