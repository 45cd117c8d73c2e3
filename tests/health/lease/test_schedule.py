"""When the lease is read, renewed and released."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipping.clock import ManualClock
from clipping.store.memory import MemoryStore
from health.cluster.registry import prepare_cluster
from health.election.observation import Resign
from health.election.roles import Identity, State
from health.lease.client import LeaseClient
from health.lease.observations import LeaseObservations
from health.lease.schedule import WATCHING, LeaseSchedule, LeaseTask, next_call
from tests.ha.observed import TIMINGS
from tests.health.scripted import Fate, ScriptedCalls

RELEASE = Resign(None, "asked to stop", False)
STANDBY = LeaseTask(State.STANDBY)
LEADS = LeaseTask(State.ACTIVE, renew=True)
TASKS = st.builds(
    LeaseTask,
    st.sampled_from(State),
    renew=st.booleans(),
    read_now=st.booleans(),
    read_often=st.booleans(),
    release=st.sampled_from([None, RELEASE]),
)


class Scheduled:
    """A schedule on its own store, run every tenth of a second."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        store = MemoryStore(self.clock)
        prepare_cluster(store, "main", clock=self.clock, ttl_seconds=30)
        self.calls = ScriptedCalls()
        self.client = LeaseClient(
            cluster="main",
            me=Identity("a", "a-1", "host-a", None),
            ttl=30,
            store=store,
            clock=self.clock,
            calls=self.calls,
            limit=5,
            observations=LeaseObservations(),
        )
        self.schedule = LeaseSchedule(self.client, TIMINGS)

    def run(self, task: LeaseTask, seconds: float, *fates: Fate) -> list[str]:
        """The calls that were made meanwhile."""
        self.calls.fates, self.calls.names = list(fates), []
        end = self.clock.monotonic() + seconds
        while self.clock.monotonic() < end:
            self.step(task)
            self.clock.advance(0.1)
        return self.calls.names

    def step(self, task: LeaseTask) -> float:
        while self.client.ready():
            confirmed = self.client.collect()
            if confirmed is not None:
                self.schedule.renewed(confirmed.sent_at)
        return self.schedule.run(task, self.clock.monotonic())

    def lead(self) -> None:
        self.run(STANDBY, 1)
        self.schedule.acquire("test", "released", self.clock.monotonic())
        self.run(LeaseTask(State.ACQUIRING), 1)
        assert self.client.outcome == "won"


@given(TASKS, st.booleans())
def test_only_the_agent_that_owns_the_lease_and_leads_writes_it(task: LeaseTask, owned: bool) -> None:
    call = next_call(task, owned=owned)
    assert (call == "read") == (task.state in WATCHING or not owned)
    assert (call == "release") == (call != "read" and task.release is not None)


@given(st.lists(st.tuples(TASKS, st.floats(0.1, 60)), max_size=20))
def test_no_task_makes_two_calls_at_once_or_is_due_in_the_past(tasks: list[tuple[LeaseTask, float]]) -> None:
    scheduled = Scheduled()
    for task, seconds in tasks:
        due = scheduled.step(task)
        now = scheduled.clock.monotonic()
        assert due > now or scheduled.client.busy
        scheduled.clock.advance(seconds)


def test_a_standby_reads_every_tick_and_often_when_a_failover_names_it() -> None:
    scheduled = Scheduled()
    assert scheduled.run(STANDBY, 10.0) == ["lease"] * 2
    assert len(scheduled.run(replace(STANDBY, read_often=True), 5.0)) >= 8


def test_a_candidate_reads_at_once_on_read_now() -> None:
    scheduled = Scheduled()
    scheduled.run(STANDBY, 1.0)
    assert scheduled.run(LeaseTask(State.CANDIDATE, read_now=True), 0.1) == ["lease"]


def test_a_leader_renews_at_its_interval_and_retries_sooner() -> None:
    scheduled = Scheduled()
    scheduled.lead()
    assert scheduled.run(LEADS, 20.0) == ["renew"] * 2
    assert scheduled.run(LEADS, 10.5, "lost", "done") == ["renew"]
    scheduled.clock.advance(5.0)  # the limit of a call
    assert scheduled.run(LEADS, 0.1) == ["renew"]


@pytest.mark.parametrize("task", [LeaseTask(State.ACTIVE), LeaseTask(State.ACQUIRING), LeaseTask(State.INIT)])
def test_no_renewal_is_sent_without_a_request(task: LeaseTask) -> None:
    scheduled = Scheduled()
    scheduled.lead()
    assert scheduled.run(task, 60.0) == []
    assert scheduled.step(task) == float("inf")


def test_a_release_is_sent_at_once_and_retried_after_a_pause() -> None:
    scheduled = Scheduled()
    scheduled.lead()
    task = LeaseTask(State.DRAINING, renew=True, release=RELEASE)
    assert scheduled.run(task, 0.1, "done refused") == ["release"]
    assert scheduled.run(task, 1.5) == []
    assert scheduled.run(task, 0.5) == ["release"]
