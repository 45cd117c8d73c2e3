"""One `Idempotency-Key` is one failover, at whichever instance its calls arrive and however often."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from api.clips.idempotency import Repeat
from api.cluster.coordination import Coordination
from api.cluster.failovers import Failovers, Wanted
from api.db import schema
from api.db.engine import Database
from api.db.tables import Failover, IdempotencyKey
from api.domain.cluster.outcome import Operation
from api.domain.cluster.snapshot import Snapshot
from clipping.clock import ManualClock
from clipping.config import Ha
from clipping.contract.cluster import Intent, intent_key
from clipping.errors import (
    CoordinationUnavailable,
    IdempotencyConflict,
    NoEligibleTarget,
    OperationRunning,
    StoreUnavailable,
)
from clipping.store.memory import MemoryStore
from clipping.store.port import ObjectInfo
from tests.api.cluster.documents import CLUSTER, NOW, Agents

FROM_1 = Wanted("nas-1", direction="from", requested_by="ops")
SAME = Repeat("ops", "key-1", "hash-1")


class Instance:
    def __init__(self, url: str, store: MemoryStore, clock: ManualClock, kind: type[Coordination]) -> None:
        self.database = Database(url, connections=4)
        self.coordination = kind(store, CLUSTER, has_leader=True)
        self.failovers = Failovers(self.database, self.coordination, clock, cluster=CLUSTER, ha=Ha())

    def begin(self, wanted: Wanted = FROM_1, repeat: Repeat | None = SAME) -> Operation:
        return self.failovers.begin(wanted, repeat)

    def rows(self) -> tuple[int, int]:
        """How many failovers and how many keys are kept."""
        with self.database.read() as session:
            tables = (Failover, IdempotencyKey)
            found = [session.scalar(select(func.count()).select_from(table)) or 0 for table in tables]
        return found[0], found[1]

    def close(self) -> None:
        self.coordination.close()
        self.database.close()


class Meddled(Coordination):
    """Another writer changes the intent between this instance's read and write, `times` times."""

    times = 0

    def snapshot(self) -> Snapshot:
        seen = super().snapshot()
        if self.times:
            self.times -= 1
            super().replace_intent(Intent(), expected=seen.intent_version)
        return seen


class Unsteady(MemoryStore):
    """Does not answer writes of the intent while `down`."""

    down = False

    def replace(self, key: str, data: bytes, *, expected: str | None) -> ObjectInfo:
        if self.down and key == intent_key(CLUSTER):
            raise StoreUnavailable("the store does not answer")
        return super().replace(key, data, expected=expected)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def store(clock: ManualClock) -> Unsteady:
    return Unsteady(clock)


@pytest.fixture
def agents(store: Unsteady) -> Agents:
    made = Agents(store)
    made.pair()
    return made


@pytest.fixture
def instances(database_url: str, store: Unsteady, clock: ManualClock) -> Iterator[tuple[Instance, Instance]]:
    one, other = (Instance(database_url, store, clock, Meddled) for _ in range(2))
    schema.migrate(one.database)
    yield one, other
    one.close()
    other.close()


def test_a_repeated_call_follows_the_first_one_to_its_end(
    instances: tuple[Instance, Instance], agents: Agents
) -> None:
    one, other = instances
    first = one.begin()
    assert other.begin() == first
    agents.report("nas-1", state="draining")
    assert other.begin().state == "draining"
    agents.obey()
    done = other.begin()
    assert (done.operation_id, done.state, done.new_primary) == (first.operation_id, "done", "nas-2")
    agents.lead(holder="nas-1", epoch=9)  # nas-1 leads again, and the key is still that of the first call
    assert one.begin() == done
    assert one.rows() == (1, 1)


def test_without_a_direction_it_does_not_turn_back_either(
    instances: tuple[Instance, Instance], agents: Agents
) -> None:
    one, other = instances
    plain = Wanted("nas-1", requested_by="ops")
    first = one.begin(plain)
    agents.obey()
    assert other.begin(plain).operation_id == first.operation_id
    assert agents.requested() == first.intent()


def test_one_of_many_concurrent_calls_wins(instances: tuple[Instance, Instance], agents: Agents) -> None:
    with ThreadPoolExecutor(8) as pool:
        begun = list(pool.map(lambda number: instances[number % 2].begin(), range(8)))
    assert len({operation.operation_id for operation in begun}) == 1
    requested = agents.requested()
    assert requested is not None
    assert requested.operation_id == begun[0].operation_id
    assert instances[0].rows() == (1, 1)


def test_another_body_is_a_conflict_that_changes_nothing(
    instances: tuple[Instance, Instance], agents: Agents
) -> None:
    one, other = instances
    first = one.begin()
    with pytest.raises(IdempotencyConflict):
        other.begin(repeat=Repeat("ops", "key-1", "hash-2"))
    assert agents.requested() == first.intent()
    with pytest.raises(OperationRunning):  # another caller's key is another call
        other.begin(repeat=Repeat("ann", "key-1", "hash-1"))
    assert one.rows() == (1, 1)


def test_a_refused_call_does_not_use_the_key_up(instances: tuple[Instance, Instance], agents: Agents) -> None:
    one, other = instances
    agents.report("nas-2", eligible=False)
    with pytest.raises(NoEligibleTarget):
        one.begin()
    assert one.rows() == (0, 0)
    agents.report("nas-2")
    assert other.begin().state == "pending"


def test_a_requested_state_that_holds_already_stays_done(
    instances: tuple[Instance, Instance], agents: Agents
) -> None:
    one, other = instances
    settled = one.begin(Wanted("nas-1", direction="to", requested_by="ops"))
    assert (settled.state, settled.new_primary, settled.epoch) == ("done", "nas-1", 7)
    assert settled.switched_at is None
    assert agents.requested() is None
    assert other.failovers.find(settled.operation_id) == settled
    agents.lead(holder="nas-2", epoch=8)
    assert other.begin(Wanted("nas-1", direction="to", requested_by="ops")) == settled
    assert agents.requested() is None


def test_it_keeps_its_name_while_others_change_the_intent(
    instances: tuple[Instance, Instance], agents: Agents
) -> None:
    one, other = instances
    assert isinstance(one.coordination, Meddled)
    one.coordination.times = 3
    first = one.begin()
    assert agents.requested() == first.intent()
    assert other.begin() == first
    assert one.rows() == (1, 1)


def test_one_that_never_gets_to_the_agents_leaves_nothing(
    instances: tuple[Instance, Instance], agents: Agents
) -> None:
    one, other = instances
    assert isinstance(one.coordination, Meddled)
    one.coordination.times = 99
    with pytest.raises(OperationRunning):
        one.begin()
    assert one.rows() == (0, 0)
    assert other.begin().state == "pending"


def test_one_that_may_have_got_to_the_agents_is_not_begun_again(
    instances: tuple[Instance, Instance], agents: Agents, store: Unsteady
) -> None:
    one, other = instances
    store.down = True
    with pytest.raises(CoordinationUnavailable):
        one.begin()
    store.down = False
    failed = other.begin()
    assert (failed.state, failed.error) == (
        "failed",
        "the agents' store is not available: the store does not answer",
    )
    assert agents.requested() is None
    assert one.rows() == (1, 1)


def test_a_key_is_free_again_after_a_day(
    instances: tuple[Instance, Instance], agents: Agents, clock: ManualClock
) -> None:
    one, other = instances
    first = one.begin()
    agents.obey()
    assert one.begin().state == "done"
    clock.advance(timedelta(hours=24, minutes=1).total_seconds())
    agents.lead(epoch=9)
    agents.report("nas-1", state="active", epoch=9)
    agents.report("nas-2", epoch=9)
    assert other.begin().operation_id != first.operation_id
