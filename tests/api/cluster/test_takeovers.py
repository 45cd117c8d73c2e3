"""Who led when: from the lease into the database, and as the route lists it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from api.cluster.coordination import Coordination
from api.cluster.failovers import Failovers, Wanted
from api.cluster.takeovers import KEPT, History
from api.cluster.work import seconds_left
from api.db import schema
from api.db.engine import Database
from api.db.in_flight import Begun
from api.db.tables import Takeover as Row
from api.domain.cluster.takeovers import LONGEST_KIND
from clipping.clock import ManualClock
from clipping.config import Ha
from clipping.contract.cluster import Acquisition, lease_key
from clipping.contract.results import Takeover
from clipping.store.memory import MemoryStore
from tests.api.api_process import ApiProcess
from tests.api.cluster.documents import CLUSTER, NOW, Agents
from tests.api.cluster.test_admin_routes import agents_of, call, code
from tests.api.rows import put

BAD_DAYS = ("days=0", "days=91", "days=1.5", "days=", "days=ten", "days=1&days=2", "since=2026-11-20")


def acquired(kind: str, former: str | None = "nas-1", **over: Any) -> Acquisition:
    fields: dict[str, Any] = {"kind": kind, "at": NOW, "unchanged_seconds": 1.0}
    if former is not None:
        fields |= {"former_agent": former, "former_epoch": 7, "former_renewed_at": NOW}
    return Acquisition.model_validate({**fields, **over})


class Cluster:
    """Two instances of the API, as far as takeovers go, and what the agents write."""

    def __init__(self, database: Database, store: MemoryStore, clock: ManualClock) -> None:
        self.database, self.store, self.clock = database, store, clock
        self.agents = Agents(store)
        self.coordination = Coordination(store, CLUSTER, has_leader=True)
        self.failovers = Failovers(database, self.coordination, clock, cluster=CLUSTER, ha=Ha())
        self.instances = [History(database, self.coordination, clock, cluster=CLUSTER) for _ in range(2)]

    def lead(self, agent_id: str, epoch: int, **acquisition: Any) -> None:
        how = {"kind": "expired", "at": self.clock.now(), "former_epoch": epoch - 1, **acquisition}
        self.agents.lead(holder=agent_id, epoch=epoch, acquisition=acquired(**how), reason="it was free")

    def led(self, days: int = 10) -> list[Takeover]:
        return self.instances[1].since(self.clock.now() - timedelta(days=days)).takeovers


@pytest.fixture
def cluster(database_url: str) -> Iterator[Cluster]:
    database, clock = Database(database_url, connections=4), ManualClock(NOW)
    schema.migrate(database)
    made = Cluster(database, MemoryStore(clock), clock)
    yield made
    made.coordination.close()
    database.close()


@pytest.mark.parametrize(
    ("how", "cause", "unled"),
    [
        (acquired("expired", former_renewed_at=NOW - timedelta(seconds=34)), "automatic", 34.0),
        # A former leader's clock that is ahead: what the new one measured counts.
        (acquired("expired", former_renewed_at=NOW + timedelta(hours=1)), "automatic", 1.0),
        (acquired("predecessor"), "automatic", 1.0),
        (acquired("handoff", former_target="nas-2", former_reason="resigns: no NAS"), "automatic", 1.0),
        (acquired("released", former_reason="asked to stop"), "planned", 1.0),
        (acquired("first", former=None), "first", None),
        (acquired("first", former="none", former_epoch=0), "first", None),
        (None, "first", None),
    ],
    ids=lambda value: value.kind if isinstance(value, Acquisition) else str(value),
)
def test_the_lease_says_how_it_was_taken(
    cluster: Cluster, how: Acquisition | None, cause: str, unled: float | None
) -> None:
    cluster.agents.lead(holder="nas-2", epoch=8, acquisition=how, reason="it was free")
    (found,) = cluster.led()
    assert (found.agent_id, found.epoch, found.cause, found.took_seconds) == ("nas-2", 8, cause, unled)
    assert found.from_agent == ("nas-1" if cause != "first" else None)
    expected = how.former_reason or "it was free" if how is not None else None
    assert found.reason == expected


def test_a_kind_that_a_newer_agent_names_fits_in_its_column(cluster: Cluster) -> None:
    cluster.lead("nas-2", 8, kind="asked-by-most-of-its-peers")
    assert cluster.led()[0].cause == "automatic"
    with cluster.database.read() as session:
        assert len(session.scalars(select(Row.kind)).one()) <= LONGEST_KIND


def test_every_takeover_is_listed_once(cluster: Cluster) -> None:
    cluster.lead("nas-1", 7, kind="first", former=None)
    for instance in cluster.instances:
        instance.tidy()
    cluster.clock.advance(3600)
    cluster.lead("nas-2", 8, former_renewed_at=cluster.clock.now() - timedelta(seconds=30))
    for instance in cluster.instances * 2:
        instance.tidy()
    newest, first = cluster.led()
    assert [(each.epoch, each.agent_id) for each in (newest, first)] == [(8, "nas-2"), (7, "nas-1")]
    assert newest.until is None
    assert first.until == cluster.clock.now() - timedelta(seconds=30)
    # While the store does not answer, the list is what was known.
    cluster.agents.put(lease_key(CLUSTER), b"{")
    assert [each.epoch for each in cluster.led()] == [8, 7]


def test_a_requested_failover_has_its_reason_and_its_requester(cluster: Cluster) -> None:
    cluster.agents.pair()
    wanted = Wanted("nas-1", reason="upgrade", requested_by="ops")
    operation = cluster.failovers.begin(wanted)
    cluster.clock.advance(9)
    cluster.lead("nas-2", 8, kind="handoff", former_target="nas-2", former_reason="failover requested")
    assert cluster.failovers.find(operation.operation_id) is not None
    (found,) = [each for each in cluster.led() if each.epoch == 8]
    assert (found.cause, found.reason, found.requested_by) == ("planned", "upgrade", "ops")
    assert (found.operation_id, found.took_seconds) == (operation.operation_id, 9.0)


def test_requests_that_went_on_are_counted(cluster: Cluster) -> None:
    before, after = NOW - timedelta(minutes=1), NOW + timedelta(seconds=20)
    cluster.lead("nas-2", 8, at=NOW)
    cluster.instances[0].tidy()
    rows: list[dict[str, Any]] = [
        {"status": "processing", "started_at": before, "epoch": 8},
        {"status": "completed", "started_at": before, "epoch": 8, "completed_at": after},
        # Not these: begun later, done earlier, or still with the old leader.
        {"status": "processing", "started_at": after, "epoch": 8},
        {"status": "completed", "started_at": before, "epoch": 7, "completed_at": before},
        {"status": "processing", "started_at": before, "epoch": 7},
    ]
    for row in rows:
        put(cluster.database, last_sign_at=after, **row)
    cluster.clock.advance(60)
    cluster.instances[0].tidy()
    assert [each.clips_resumed for each in cluster.led()] == [2]


def test_old_takeovers_are_deleted_but_not_the_newest(cluster: Cluster) -> None:
    cluster.lead("nas-1", 7)
    cluster.instances[0].tidy()
    cluster.lead("nas-2", 8)
    cluster.instances[0].tidy()
    cluster.clock.advance(KEPT.total_seconds() + 1)
    cluster.instances[1].tidy()
    assert [each.epoch for each in cluster.led()] == [8]


@pytest.mark.parametrize(
    ("percent", "started", "estimate", "left"),
    [
        (100.0, 10.0, None, 1.0),
        (50.0, 10.0, 99.0, 10.0),
        (2.0, 10.0, 50.0, 49.0),
        (2.0, 10.0, None, None),
        (0.0, None, 8.0, 8.0),
    ],
)
def test_what_is_left_of_a_clip(
    percent: float, started: float | None, estimate: float | None, left: float | None
) -> None:
    at = None if started is None else NOW - timedelta(seconds=started)
    begun = Begun("clip-1", "clip", "hand-1", "nas-1", "cutting", percent, at, estimate)
    assert seconds_left(begun, NOW) == left


def test_the_route_lists_them_and_refuses_other_days(api: ApiProcess) -> None:
    agents = agents_of(api)
    agents.pair()
    agents.lead(holder="nas-2", epoch=8, acquisition=acquired("expired"), reason="<b>it died</b>")
    answer = call(api, "GET", "/v1/admin/takeovers?days=90")
    assert answer.status_code == 200
    (found,) = answer.json()["takeovers"]
    assert (found["agent_id"], found["reason"]) == ("nas-2", "<b>it died</b>")
    for query in BAD_DAYS:
        assert code(call(api, "GET", f"/v1/admin/takeovers?{query}")) == (400, "INVALID_REQUEST")


def test_the_agents_and_what_they_work_on(api: ApiProcess) -> None:
    agents = agents_of(api)
    probe = [
        {"name": "h264_nvenc", "usable": False, "reason": "no driver"},
        {"name": "libx264", "usable": True},
    ]
    agents.lead()
    agents.report(
        "nas-1",
        state="active",
        encoder_probe=probe,
        deadline_seconds=7,
        drain_seconds=10,
        takeover_seconds=12,
    )
    agents.report("nas-2")
    body = call(api, "GET", "/v1/admin/agents").json()
    leader, standby = body["agents"]
    assert 0 <= body["lease"].pop("age_seconds") < 30
    limits = {"stops_after_seconds": 7.0, "free_after_seconds": 30.0}
    assert body["lease"] == {"agent_id": "nas-1", "state": "held", **limits}
    assert leader["encoder_probe"] == probe
    assert (leader["takeover_seconds"], leader["in_flight"], leader["failed_clips_24h"]) == (12, [], 0)
    assert (standby["encoder_probe"], "takeover_seconds" in standby) == ([], False)
    assert body["waiting"] == 0
    assert body["failover_seconds"] == {"graceful": 4.0, "fast": 4.0}
