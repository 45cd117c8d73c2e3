"""The coordinator as the daemon runs it: threads, the system clock, polls over HTTP, a shared store."""

from __future__ import annotations

import http.server
import json
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clipping.clock import SystemClock
from clipping.config import Config, validate
from clipping.contract.cluster import AgentRecord, agent_key, lease_key
from clipping.errors import StoreUnavailable
from clipping.store.local import LocalStore
from clipping.store.memory import MemoryStore
from clipping.store.port import ObjectInfo, Store
from health.cluster.coordinator import Coordinator
from health.cluster.registry import prepare_cluster
from health.election.roles import Facts, Identity, SelfCheck, State
from health.election.timings import Timings
from health.lease.client import read_lease
from health.lease.guard import Guard
from tests.support.waiting import eventually

TTL = 6.0


def config(**over: Any) -> Config:
    """Short timings that even a slow machine keeps."""
    ha = {"ttl_seconds": TTL, "deadline_seconds": 4.5, "renew_seconds": 1, "retry_seconds": 0.5}
    ha |= {"store_timeout_seconds": 2, "drain_seconds": 5}
    health = {"interval_seconds": 1, "retry_seconds": 0.5, "timeout_seconds": 1}
    return validate({"ha": {**ha, **over}, "health": health, "storage": {"path": "/unused"}})


class Bench:
    """Work that records its calls."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.stuck = False
        self._open = False

    def begin(self) -> None:
        self.calls.append("begin")
        self._open = True

    def drain(self, *, fast: bool) -> None:
        self.calls.append("drain fast" if fast else "drain")
        self._open = self.stuck

    def rest(self) -> None:
        self.calls.append("rest")
        self._open = self.stuck

    def abort(self) -> None:
        self.calls.append("abort")
        self._open = self.stuck

    def idle(self) -> bool:
        return not self._open


class Agent:
    """A coordinator with everything it needs, including its own `/health`."""

    def __init__(self, name: str, store: Store, folder: Path, *, elects: bool = True, **over: Any) -> None:
        clock = SystemClock()
        self.name, self.work, self.exits = name, Bench(), list[int]()
        self.check = SelfCheck(True)
        self.before_check: Callable[[], object] = lambda: None
        settings = config(**over)
        self.guard = Guard(clock, settings.ha.deadline_seconds) if elects else None
        self._page = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._page.daemon_threads = True
        threading.Thread(target=self._page.serve_forever, name="page", daemon=True).start()
        folder.mkdir(exist_ok=True)
        self.coordinator = Coordinator(
            settings,
            identity=Identity(
                name,
                f"{name}-{random.random()}",
                "host",
                f"http://127.0.0.1:{self._page.server_address[1]}",
            ),
            clock=clock,
            store=store,
            work=self.work,
            guard=self.guard,
            self_check=self._check,
            facts=lambda: Facts(queue_depth=3, completed_clips_24h=4, encoders=("cpu",)),
            state_dir=folder,
            rng=random.Random(1),
            exit=self.exits.append,
        )

    def _check(self) -> SelfCheck:
        self.before_check()
        return self.check

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        agent = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                view = agent.coordinator.view()
                page = {
                    "cluster": "default",
                    "agent_id": agent.name,
                    "role": view.role,
                    "snapshot_age_seconds": 0,
                }
                body = json.dumps(page).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                return None

        return Handler

    def until(self, state: State) -> None:
        eventually(lambda: self.coordinator.view().state is state, f"{self.name} to be {state}")

    def close(self) -> None:
        self.coordinator.request_stop(fast=True)
        self.coordinator.wait_stopped(20)
        self._page.shutdown()
        self._page.server_close()


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    prepare_cluster(store, "default", clock=SystemClock(), ttl_seconds=TTL)
    return store


class Opened:
    def __init__(self, folder: Path) -> None:
        self._folder, self._agents = folder, list[Agent]()

    def agent(self, name: str, store: Store, **over: Any) -> Agent:
        agent = Agent(name, store, self._folder / name, **over)
        self._agents.append(agent)
        return agent

    def close(self) -> None:
        for agent in self._agents:
            agent.close()


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    opened = Opened(tmp_path)
    yield opened
    opened.close()


def document(store: Store, name: str) -> AgentRecord | None:
    found = store.get(agent_key("default", name))
    return AgentRecord.from_json(found[0]) if found else None


def test_a_standby_takes_over_when_the_leader_is_stopped(store: MemoryStore, opened: Opened) -> None:
    first, second = opened.agent("a", store), opened.agent("b", store)
    first.coordinator.start()
    first.until(State.ACTIVE)
    assert first.work.calls == ["begin"]
    assert first.guard is not None
    assert first.guard.valid()
    second.coordinator.start()
    eventually(lambda: second.coordinator.view().holder == "a", "b to see the leader")
    assert second.coordinator.view().role == "standby"
    assert second.work.calls == []

    first.coordinator.request_stop(fast=False)
    assert first.coordinator.wait_stopped(30)
    assert first.coordinator.exit_code() is None
    assert first.work.calls == ["begin", "drain"]
    assert not first.guard.valid()
    second.until(State.ACTIVE)
    lease = read_lease(store, "default").lease
    assert lease is not None
    assert (lease.holder, lease.epoch) == ("b", 2)
    assert first.exits == second.exits == []


def test_an_agent_writes_its_record_and_a_last_one_when_it_stops(store: MemoryStore, opened: Opened) -> None:
    agent = opened.agent("a", store)
    agent.coordinator.start()
    eventually(lambda: (record := document(store, "a")) and record.state == "active", "its record")
    record = document(store, "a")
    assert record is not None
    assert (record.queue_depth, record.completed_clips_24h, record.encoders) == (3, 4, ("cpu",))
    assert record.eligible
    agent.coordinator.request_stop(fast=False)
    assert agent.coordinator.wait_stopped(30)
    record = document(store, "a")
    assert record is not None
    assert (record.eligible, record.reasons[0]) == (False, "stopped")


@pytest.mark.parametrize("elects", [True, False])
def test_a_stop_does_not_wait_for_the_next_tick(store: MemoryStore, opened: Opened, elects: bool) -> None:
    timings = {"ttl_seconds": 120, "deadline_seconds": 100, "renew_seconds": 60}
    tick = Timings.of(config(**timings)).tick
    agent = opened.agent("a", store, elects=elects, **timings)
    agent.coordinator.start()
    agent.until(State.ACTIVE)
    eventually(lambda: (record := document(store, "a")) and record.state == "active", "its record")
    agent.coordinator.request_stop(fast=False)
    assert agent.coordinator.wait_stopped(tick / 2)


class HoldingStore(MemoryStore):
    """Holds the first write of an agent's record."""

    def __init__(self) -> None:
        super().__init__()
        self.held, self.release = threading.Event(), threading.Event()

    def replace(self, key: str, data: bytes, *, expected: str | None) -> ObjectInfo:
        if key != agent_key("default", "a") or self.held.is_set():
            return super().replace(key, data, expected=expected)
        self.held.set()
        self.release.wait(20)
        return super().replace(key, data, expected=expected)


def test_a_write_that_is_in_progress_at_the_stop_does_not_replace_the_last_record(opened: Opened) -> None:
    store = HoldingStore()
    agent = opened.agent("a", store, elects=False)
    agent.coordinator.start()
    assert store.held.wait(20)
    agent.coordinator.request_stop(fast=False)
    agent.until(State.STOPPED)
    store.release.set()
    assert agent.coordinator.wait_stopped(30)
    for thread in threading.enumerate():
        if thread.name == "cluster-record":
            thread.join(20)
    record = document(store, "a")
    assert record is not None
    assert (record.eligible, record.reasons[0]) == (False, "stopped")


class HangingStore(MemoryStore):
    """Stops responding, without an error, like a dead network."""

    def __init__(self) -> None:
        super().__init__()
        self.hangs = threading.Event()
        self.over = threading.Event()

    def get(self, key: str) -> tuple[bytes, ObjectInfo] | None:
        self._wait()
        return super().get(key)

    def replace(self, key: str, data: bytes, *, expected: str | None) -> ObjectInfo:
        self._wait()
        return super().replace(key, data, expected=expected)

    def _wait(self) -> None:
        if self.hangs.is_set():
            self.over.wait(60)
            raise StoreUnavailable("at last")


@pytest.mark.slow
def test_a_hung_store_stalls_nothing_and_fences_the_leader_in_time(opened: Opened) -> None:
    store = HangingStore()
    prepare_cluster(store, "default", clock=SystemClock(), ttl_seconds=TTL)
    agent = opened.agent("a", store)
    agent.coordinator.start()
    agent.until(State.ACTIVE)
    store.hangs.set()
    agent.until(State.FENCED)
    assert agent.work.calls == ["begin", "abort"]
    assert agent.guard is not None
    assert not agent.guard.valid()
    assert agent.coordinator.heartbeat_age() < 10
    store.hangs.clear()
    store.over.set()
    agent.until(State.ACTIVE)
    assert agent.work.calls == ["begin", "abort", "begin"]


def test_an_agent_whose_work_does_not_stop_ends_itself(opened: Opened) -> None:
    store = HangingStore()
    prepare_cluster(store, "default", clock=SystemClock(), ttl_seconds=TTL)
    agent = opened.agent("a", store)
    agent.coordinator.start()
    agent.until(State.ACTIVE)
    agent.work.stuck = True
    store.hangs.set()
    eventually(lambda: agent.exits, "it to end the process")
    assert agent.exits[0] == 1
    agent.work.stuck = False
    agent.work.abort()
    store.over.set()


@pytest.mark.parametrize("over", [{"mode": "pool"}, {"mode": "single"}])
def test_without_an_election_it_begins_at_once_and_touches_no_lease(
    over: dict[str, str], opened: Opened
) -> None:
    store = MemoryStore()
    agent = opened.agent("a", store, elects=False, **over)
    agent.coordinator.start()
    agent.until(State.ACTIVE)
    eventually(lambda: document(store, "a"), "its record")
    assert store.get(lease_key("default")) is None
    assert "ctl resume" in agent.coordinator.drain()
    eventually(lambda: agent.work.calls == ["begin", "rest"], "it to drain")
    assert not agent.coordinator.view().intake
    agent.coordinator.resume_intake()
    eventually(lambda: agent.work.calls == ["begin", "rest", "begin"], "it to go on")
    agent.coordinator.request_stop(fast=True)
    assert agent.coordinator.wait_stopped(30)
    assert agent.work.calls[-1] == "drain fast"


def test_ctl_drain_hands_over_to_another_agent(store: MemoryStore, opened: Opened) -> None:
    first, second = opened.agent("a", store), opened.agent("b", store)
    first.coordinator.start()
    first.until(State.ACTIVE)
    second.coordinator.start()
    eventually(lambda: second.coordinator.view().holder == "a", "b to see the leader")
    assert "does not take over" in second.coordinator.drain()
    eventually(lambda: document(store, "b"), "its record")
    assert "finishes the clips in flight" in first.coordinator.drain()
    first.until(State.STANDBY)
    assert first.coordinator.view().why != ""


def test_a_leader_with_a_stalled_loop_does_not_rely_on_its_lease(store: MemoryStore, opened: Opened) -> None:
    agent = opened.agent("nas-1", store)
    goes_on = threading.Event()
    goes_on.set()
    agent.before_check = goes_on.wait
    agent.coordinator.start()
    agent.until(State.ACTIVE)
    assert agent.guard is not None
    goes_on.clear()  # as after a SIGSTOP: `/health` is read before the loop has taken its next step
    try:
        eventually(lambda: not agent.guard.valid(), "the guard to run out")
        view = agent.coordinator.view()
        assert (view.state, view.lease_remaining_seconds) == (State.ACTIVE, 0.0)
    finally:
        goes_on.set()
    agent.until(State.FENCED)


def test_a_crash_of_the_loop_ends_the_process(store: MemoryStore, opened: Opened) -> None:
    agent = opened.agent("a", store)
    agent.check = None  # type: ignore[assignment]
    agent.coordinator.start()
    assert agent.coordinator.wait_stopped(30)
    assert agent.exits == [1]


def test_two_agents_share_a_folder_as_their_store(tmp_path: Path, opened: Opened) -> None:
    stores = [LocalStore(tmp_path / "store", public_url="http://x") for _ in range(2)]
    prepare_cluster(stores[0], "default", clock=SystemClock(), ttl_seconds=TTL)
    first, second = opened.agent("a", stores[0]), opened.agent("b", stores[1])
    first.coordinator.start()
    first.until(State.ACTIVE)
    second.coordinator.start()
    eventually(lambda: second.coordinator.view().holder == "a", "b to see the leader")
    first.coordinator.request_stop(fast=False)
    second.until(State.ACTIVE)
