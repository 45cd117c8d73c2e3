"""What `/health` says of the agents, and that it says so in time."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from api.cluster.agents import AgentsWatch, judge
from api.cluster.coordination import Coordination
from api.domain.cluster.snapshot import Snapshot
from clipping.clock import ManualClock
from clipping.store.gcs import GcsStore
from clipping.store.local import LocalStore
from tests.api.cluster.documents import CLUSTER, Agents, lease, seen, snapshot
from tests.api.conftest import MakeApi
from tests.support.gcs import FakeGcs
from tests.support.waiting import eventually

OLD = 100.0
ACTIVE = seen("nas-1", state="active")


@pytest.mark.parametrize(
    ("cluster", "primary", "standby"),
    [
        (snapshot(), "healthy", "healthy"),
        (
            snapshot(seen("nas-1", state="active", reasons=("the disk is full",)), seen("nas-2")),
            "degraded",
            "healthy",
        ),
        (snapshot(seen("nas-1", state="draining"), seen("nas-2")), "degraded", "healthy"),
        (snapshot(seen("nas-1", state="active", age=OLD), seen("nas-2")), "degraded", "healthy"),
        (snapshot(seen("nas-2")), "degraded", "healthy"),
        (snapshot(lease_age=OLD), "down", "healthy"),
        (snapshot(held=lease(state="released")), "down", "healthy"),
        (snapshot(no_lease=True), "down", "healthy"),
        (snapshot(ACTIVE), "healthy", "none"),
        (snapshot(ACTIVE, seen("nas-2", age=OLD)), "healthy", "down"),
        (snapshot(ACTIVE, seen("nas-2", eligible=False)), "healthy", "degraded"),
        (snapshot(ACTIVE, seen("nas-2", state="active", epoch=6)), "healthy", "down"),
        (snapshot(ACTIVE, seen("nas-2", age=OLD), seen("nas-3")), "healthy", "healthy"),
        (snapshot(seen("nas-1", state="active", age=OLD), ACTIVE, has_leader=False), "healthy", "none"),
        (snapshot(seen("nas-1", state="active", age=OLD), has_leader=False), "down", "none"),
    ],
)
def test_in_two_words(cluster: Snapshot, primary: str, standby: str) -> None:
    health = judge(cluster)
    assert (health.primary, health.standby) == (primary, standby)


UNFIT = seen("nas-1", state="active", eligible=False, reasons=("signing: SIGNING_UNAVAILABLE: …",))


@pytest.mark.parametrize(
    ("cluster", "held_up"),
    [
        (snapshot(), False),
        (snapshot(UNFIT, seen("nas-2")), True),  # for a moment: it hands over
        (snapshot(UNFIT, seen("nas-2", eligible=False)), True),
        (snapshot(ACTIVE, seen("nas-2", eligible=False)), False),
        (snapshot(lease_age=OLD), False),  # an election is under way
        (snapshot(UNFIT, no_lease=True), False),
        (snapshot(seen("nas-1", state="active", age=OLD, eligible=False)), False),
        (snapshot(UNFIT, seen("nas-2", state="active"), has_leader=False), False),
        (snapshot(UNFIT, seen("nas-2", state="active", eligible=False), has_leader=False), True),
        (snapshot(UNFIT, seen("nas-2", state="active", age=OLD), has_leader=False), True),
    ],
)
def test_whether_it_is_known_that_no_agent_takes_requests(cluster: Snapshot, held_up: bool) -> None:
    assert judge(cluster).held_up is held_up


def test_no_agent_has_ever_been_there() -> None:
    empty = Snapshot(CLUSTER, True, snapshot().now, None, snapshot().intent, None, [])
    assert (judge(empty).primary, judge(empty).standby) == ("none", "none")
    assert judge(empty).reasons() == []


def test_a_hanging_store_delays_no_health_check(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock()
    with FakeGcs() as gcs:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs.url)
        store = GcsStore(gcs.bucket())
        Agents(store).pair()
        coordination = Coordination(store, CLUSTER, has_leader=True)
        watch = AgentsWatch(coordination, clock)
        eventually(lambda: watch.now().primary == "healthy")
        os.kill(gcs.pid, signal.SIGSTOP)
        clock.advance(10)
        began = time.monotonic()
        assert watch.now().primary == "healthy"  # as it was a moment ago
        clock.advance(100)
        assert watch.now().primary == "unknown"
        assert time.monotonic() - began < 20
        os.kill(gcs.pid, signal.SIGCONT)

        def again() -> bool:
            clock.advance(10)
            return watch.now().primary == "healthy"

        eventually(again)
        watch.close()
        coordination.close()
        store.close()


def test_a_dead_leader_is_seen_in_the_services_health(make_api: MakeApi) -> None:
    api = make_api()
    agents = Agents(LocalStore(Path(str(api.config.storage.path)), public_url=api.url))
    agents.lead(ttl_seconds=1)
    agents.report("nas-1", state="active")

    def health() -> dict[str, object]:
        answer = api.get("/health")
        assert answer.status_code == 200
        found: dict[str, object] = answer.json()
        return found

    eventually(lambda: health()["agents"] == {"primary": "down", "standby": "none"}, "the lease to run out")
    seen_now = health()
    assert (seen_now["status"], "the primary agent is down" in seen_now["reasons"]) == ("degraded", True)  # type: ignore[operator]
    assert seen_now["api_status"] == "healthy"
