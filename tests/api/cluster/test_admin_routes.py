"""The admin routes over HTTP, with the agents' documents written as agents write them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from clipping.contract.cluster import agent_key, intent_key, lease_key
from clipping.store.gcs import GcsStore
from clipping.store.local import LocalStore
from tests.api.api_process import ADMIN, CLIENT, HTTP_SECONDS, ApiProcess
from tests.api.cluster.documents import CLUSTER, Agents
from tests.api.conftest import MakeApi
from tests.support.gcs import FakeGcs

FAILOVER = "/v1/admin/agents/{}/failover"


def call(api: ApiProcess, method: str, path: str, **options: Any) -> requests.Response:
    headers = {"Authorization": f"Bearer {ADMIN}", **options.pop("headers", {})}
    return requests.request(method, api.url + path, headers=headers, timeout=HTTP_SECONDS, **options)


def failover(api: ApiProcess, agent_id: str, **body: Any) -> requests.Response:
    return call(api, "POST", FAILOVER.format(agent_id), json={"wait_seconds": 0, **body})


def code(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def agents_of(api: ApiProcess) -> Agents:
    assert api.config.storage.path is not None
    return Agents(LocalStore(Path(api.config.storage.path), public_url=api.url))


@contextmanager
def obeying(agents: Agents) -> Iterator[None]:
    """Agents that execute requests promptly."""
    over = threading.Event()

    def obey() -> None:
        while not over.wait(0.05):
            asked = agents.requested()
            found = agents.store.get(lease_key(CLUSTER))
            if asked and found and f'"epoch":{asked.epoch},'.encode() in found[0]:
                agents.obey()

    thread = threading.Thread(target=obey, name="agents", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(30)


@pytest.fixture
def agents(api: ApiProcess) -> Agents:
    """A pair, as at the beginning of every test of the shared API."""
    made = agents_of(api)
    for key in (
        lease_key(CLUSTER),
        intent_key(CLUSTER),
        *(agent_key(CLUSTER, f"nas-{n}") for n in (1, 2, 3)),
    ):
        made.store.delete(key)
    made.pair()
    return made


def test_the_agents_are_listed(api: ApiProcess, agents: Agents) -> None:
    agents.report("nas-3", eligible=False, reasons=("the NAS is not mounted",), encoders=("libx264",))
    answer = call(api, "GET", "/v1/admin/agents")
    assert answer.status_code == 200
    body = answer.json()
    assert {name: body[name] for name in ("cluster", "epoch", "leader", "paused")} == {
        "cluster": "default",
        "epoch": 7,
        "leader": "nas-1",
        "paused": False,
    }
    assert [(a["agent_id"], a["role"], a["status"], a["eligible"]) for a in body["agents"]] == [
        ("nas-1", "primary", "active", True),
        ("nas-2", "standby", "standby", True),
        ("nas-3", "standby", "standby", False),
    ]
    assert set(body["agents"][2]) == {
        "agent_id",
        "role",
        "status",
        "last_heartbeat",
        "queue_depth",
        "completed_clips_24h",
        "epoch",
        "eligible",
        "reasons",
        "version",
        "host",
        "encoders",
        "started_at",
        "encoder_probe",
        "failed_clips_24h",
        "in_flight",
    }


def test_a_failover_is_done_while_the_caller_waits(api: ApiProcess, agents: Agents) -> None:
    with obeying(agents):
        answer = call(api, "POST", FAILOVER.format("nas-1"), json={"reason": "upgrade", "wait_seconds": 30})
    assert answer.status_code == 200
    body = answer.json()
    assert {name: body[name] for name in ("state", "old_primary", "new_primary", "epoch", "reason")} == {
        "state": "done",
        "old_primary": "nas-1",
        "new_primary": "nas-2",
        "epoch": 8,
        "reason": "upgrade",
    }
    assert body["switched_at"].endswith("Z")
    assert "error" not in body
    again = call(api, "GET", f"/v1/admin/failovers/{body['operation_id']}")
    assert (again.status_code, again.json()) == (200, body)
    assert answer.headers["Location"] == f"/v1/admin/failovers/{body['operation_id']}"
    assert call(api, "GET", "/v1/admin/agents").json()["leader"] == "nas-2"


def test_a_body_is_not_needed(api: ApiProcess, agents: Agents) -> None:
    with obeying(agents):
        answer = call(api, "POST", FAILOVER.format("nas-2"))
    assert (answer.status_code, answer.json()["new_primary"]) == (200, "nas-2")


def test_any_instance_returns_the_state_of_a_failover(
    api: ApiProcess, agents: Agents, make_api: MakeApi
) -> None:
    answer = failover(api, "nas-2", mode="fast")
    assert (answer.status_code, answer.json()["state"]) == (202, "pending")
    asked = agents.requested()
    assert asked is not None
    assert (asked.old_primary, asked.target, asked.mode, asked.epoch) == ("nas-1", "nas-2", "fast", 7)
    assert asked.requested_by == "ops"
    other = make_api(
        storage={"path": api.config.storage.path}, api={"database_url": api.config.api.database_url}
    )
    path = f"/v1/admin/failovers/{answer.json()['operation_id']}"
    agents.report("nas-1", state="draining")
    assert call(other, "GET", path).json()["state"] == "draining"
    agents.lead(state="handoff", target="nas-2")
    assert call(other, "GET", path).json()["state"] == "released"
    agents.obey()
    assert call(other, "GET", path).json()["state"] == "done"
    assert call(api, "GET", path).json() == call(other, "GET", path).json()


def test_a_dead_primary_does_not_block_a_failover(api: ApiProcess, agents: Agents) -> None:
    agents.store.delete(agent_key(CLUSTER, "nas-1"))
    for agent_id in ("nas-2", "nas-1"):
        answer = failover(api, agent_id)
        assert answer.status_code == 202
        agents.put(intent_key(CLUSTER), b'{"schema": 1}')
        state = call(api, "GET", f"/v1/admin/failovers/{answer.json()['operation_id']}").json()
        assert state["target"] == "nas-2"


def test_only_one_of_many_callers_begins_a_failover(
    api: ApiProcess, agents: Agents, make_api: MakeApi
) -> None:
    other = make_api(
        storage={"path": api.config.storage.path}, api={"database_url": api.config.api.database_url}
    )
    before = api.counts()["failovers"]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: failover(other if n % 2 else api, "nas-1"), range(8)))
    begun = [answer.json() for answer in answers if answer.status_code == 202]
    refused = [code(answer) for answer in answers if answer.status_code != 202]
    assert len(begun) == 1
    assert refused == [(409, "OPERATION_RUNNING")] * 7
    asked = agents.requested()
    assert asked is not None
    assert asked.operation_id == begun[0]["operation_id"]
    assert api.counts()["failovers"] == before + 1


def keyed(api: ApiProcess, agent_id: str, key: str, **body: Any) -> requests.Response:
    headers = {"Idempotency-Key": key}
    return call(api, "POST", FAILOVER.format(agent_id), json={"wait_seconds": 30, **body}, headers=headers)


@pytest.mark.parametrize("body", [{}, {"direction": "from"}], ids=["plain", "with a direction"])
def test_a_failover_that_is_repeated_with_its_key_is_one(
    api: ApiProcess, agents: Agents, make_api: MakeApi, body: dict[str, Any]
) -> None:
    other = make_api(
        storage={"path": api.config.storage.path}, api={"database_url": api.config.api.database_url}
    )
    key, before = f"once-{len(body)}", api.counts()["failovers"]
    with obeying(agents):
        first, again, elsewhere = (keyed(one, "nas-1", key, **body) for one in (api, api, other))
    assert [answer.status_code for answer in (first, again, elsewhere)] == [200] * 3
    assert first.json()["new_primary"] == "nas-2"
    assert again.json() == elsewhere.json() == first.json()
    assert again.headers["Location"] == first.headers["Location"]
    assert code(keyed(other, "nas-1", key, mode="fast")) == (409, "IDEMPOTENCY_CONFLICT")
    assert code(keyed(other, "nas-2", key, **body)) == (409, "IDEMPOTENCY_CONFLICT")
    assert code(keyed(api, "nas-1", "a b")) == (400, "INVALID_REQUEST")
    assert call(api, "GET", "/v1/admin/agents").json()["leader"] == "nas-2"
    assert api.counts()["failovers"] == before + 1


@pytest.mark.parametrize(
    ("agent_id", "body"),
    [
        ("nas-2", {"direction": "from"}),
        ("nas-2", {"direction": "from", "target": "nas-1"}),
        ("nas-1", {"direction": "to"}),
    ],
)
def test_a_requested_state_that_holds_already_is_done_at_once(
    api: ApiProcess, agents: Agents, agent_id: str, body: dict[str, Any]
) -> None:
    answer = failover(api, agent_id, **body)
    assert answer.status_code == 200
    done = answer.json()
    assert (done["state"], done["new_primary"], done["epoch"]) == ("done", "nas-1", 7)
    assert "switched_at" not in done
    assert agents.requested() is None
    assert call(api, "GET", f"/v1/admin/failovers/{done['operation_id']}").json() == done


@pytest.mark.parametrize(
    ("agent_id", "body", "expected", "field"),
    [
        ("nas-9", {}, (404, "NOT_FOUND"), "agent_id"),
        ("..", {}, (404, "NOT_FOUND"), None),
        ("%00", {}, (404, "NOT_FOUND"), None),
        ("x" * 300, {}, (404, "NOT_FOUND"), None),
        ("nas-1", {"target": "nas-9"}, (404, "NOT_FOUND"), "target"),
        ("nas-1", {"target": "nas-1"}, (409, "NOT_POSSIBLE"), "target"),
        ("nas-2", {"target": "nas-1"}, (409, "NOT_POSSIBLE"), "target"),
        ("nas-1", {"target": "nas-3"}, (412, "NO_ELIGIBLE_TARGET"), None),
        ("nas-3", {}, (412, "NO_ELIGIBLE_TARGET"), None),
        ("nas-1", {"target": ""}, (400, "INVALID_REQUEST"), "target"),
        ("nas-1", {"target": None}, (400, "INVALID_REQUEST"), "target"),
        ("nas-1", {"target": 7}, (400, "INVALID_REQUEST"), "target"),
        ("nas-2", {"direction": "to", "target": "nas-2"}, (400, "INVALID_REQUEST"), "target"),
        ("nas-1", {"direction": "away"}, (400, "INVALID_REQUEST"), "direction"),
        ("nas-1", {"direction": "from", "target": "nas-1"}, (409, "NOT_POSSIBLE"), "target"),
        ("nas-1", {"mode": "brutal"}, (400, "INVALID_REQUEST"), "mode"),
        ("nas-1", {"wait_seconds": 55.1}, (400, "INVALID_REQUEST"), "wait_seconds"),
        ("nas-1", {"wait_seconds": -1}, (400, "INVALID_REQUEST"), "wait_seconds"),
        ("nas-1", {"wait_seconds": "5"}, (400, "INVALID_REQUEST"), "wait_seconds"),
        ("nas-1", {"wait_seconds": True}, (400, "INVALID_REQUEST"), "wait_seconds"),
        ("nas-1", {"reason": "a\u0000b"}, (400, "INVALID_REQUEST"), "reason"),
        ("nas-1", {"reason": "x" * 501}, (400, "INVALID_REQUEST"), "reason"),
        ("nas-1", {"reason": None}, (400, "INVALID_REQUEST"), "reason"),
        ("nas-1", {"reasons": "typo"}, (400, "INVALID_REQUEST"), "reasons"),
    ],
)
def test_a_failover_that_cannot_be_says_why_and_changes_nothing(
    api: ApiProcess,
    agents: Agents,
    agent_id: str,
    body: dict[str, Any],
    expected: tuple[int, str],
    field: str | None,
) -> None:
    agents.report("nas-3", eligible=False, reasons=("the NAS is not mounted",))
    rows = api.counts()["failovers"]
    answer = failover(api, agent_id, **body)
    assert code(answer) == expected
    assert answer.json()["error"].get("field") == field
    if expected[0] == 412:
        assert "the NAS is not mounted" in answer.json()["error"]["message"]
    assert agents.requested() is None
    assert api.counts()["failovers"] == rows


@pytest.mark.parametrize("key", [lease_key(CLUSTER), intent_key(CLUSTER)])
def test_a_broken_document_is_reported(api: ApiProcess, agents: Agents, key: str) -> None:
    agents.put(key, b'{"schema": 1, "epoch"')
    rows = api.counts()["failovers"]
    intent = agents.store.get(intent_key(CLUSTER))
    for answer in (
        call(api, "GET", "/v1/admin/agents"),
        failover(api, "nas-2"),
        call(api, "POST", "/v1/admin/pause"),
        call(api, "POST", "/v1/admin/resume"),
    ):
        assert code(answer) == (503, "COORDINATION_UNAVAILABLE")
        assert key in answer.json()["error"]["message"]
        assert int(answer.headers["Retry-After"]) > 0
    assert agents.store.get(intent_key(CLUSTER)) == intent
    assert api.counts()["failovers"] == rows
    assert "coordination.broken" in api.log.read_text()


def test_takeovers_are_paused_and_resumed(api: ApiProcess, agents: Agents) -> None:
    until = "2027-01-01T00:00:00Z"
    answer = call(api, "POST", "/v1/admin/pause", json={"reason": "upgrade of the NAS", "until": until})
    assert answer.status_code == 200
    paused = answer.json()
    assert (paused["paused"], paused["pause"]["reason"]) == (True, "upgrade of the NAS")
    assert (paused["pause"]["paused_by"], paused["pause"]["until"]) == ("ops", "2027-01-01T00:00:00.000Z")
    view = call(api, "GET", "/v1/admin/agents").json()
    assert (view["paused"], view["pause"]) == (True, paused["pause"])
    with obeying(agents):  # one that is asked for still works
        done = failover(api, "nas-1", wait_seconds=30)
    assert (done.status_code, done.json()["state"]) == (200, "done")
    assert agents.intent().pause is not None
    for _ in range(2):
        resumed = call(api, "POST", "/v1/admin/resume", json={"reason": "it is back"})
        assert (resumed.status_code, resumed.json()) == (200, {"cluster": "default", "paused": False})
    assert agents.intent().pause is None


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("pause", {"until": "2020-01-01T00:00:00Z"}, "until"),
        ("pause", {"until": "9999-12-31T23:59:59-23:59"}, "until"),
        ("pause", {"until": "2027-01-01T00:00:00"}, "until"),
        ("pause", {"until": "2027-02-30T00:00:00Z"}, "until"),
        ("pause", {"until": 1800000000}, "until"),
        ("pause", {"reason": 5}, "reason"),
        ("pause", {"why": "typo"}, "why"),
        ("resume", {"until": "2027-01-01T00:00:00Z"}, "until"),
        ("resume", [], None),
    ],
)
def test_a_pause_that_cannot_be_says_why(
    api: ApiProcess, agents: Agents, path: str, body: Any, field: str | None
) -> None:
    answer = call(api, "POST", f"/v1/admin/{path}", json=body)
    assert code(answer) == (400, "INVALID_REQUEST")
    assert answer.json()["error"].get("field") == field
    assert agents.intent().pause is None


def test_agents_without_an_election_have_no_lead_to_hand_over(make_api: MakeApi) -> None:
    api = make_api(ha={"mode": "pool"})
    agents = agents_of(api)
    agents.report("nas-1", state="active")
    agents.report("nas-2", state="active")
    assert code(failover(api, "nas-1")) == (409, "NOT_POSSIBLE")
    assert code(call(api, "POST", "/v1/admin/pause")) == (409, "NOT_POSSIBLE")
    body = call(api, "GET", "/v1/admin/agents").json()
    assert "leader" not in body
    assert [agent["role"] for agent in body["agents"]] == ["primary", "primary"]


def test_it_takes_an_admin(api: ApiProcess) -> None:
    for method, path in (
        ("GET", "/v1/admin/agents"),
        ("POST", FAILOVER.format("nas-1")),
        ("GET", "/v1/admin/failovers/failover-20261120-0123456789abcdef"),
        ("POST", "/v1/admin/pause"),
        ("POST", "/v1/admin/resume"),
    ):
        client = call(api, method, path, headers={"Authorization": f"Bearer {CLIENT}"})
        assert code(client) == (403, "FORBIDDEN")
        stranger = call(api, method, path, headers={"Authorization": "Bearer nobodys"})
        assert code(stranger) == (401, "UNAUTHORIZED")


def test_a_failover_that_is_not_there_is_not_found(api: ApiProcess) -> None:
    for operation_id in ("failover-20261120-0123456789abcdef", "x", "%00"):
        assert code(call(api, "GET", f"/v1/admin/failovers/{operation_id}")) == (404, "NOT_FOUND")


def test_with_a_bucket_and_without_it(make_api: MakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeGcs() as gcs:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs.url)
        bucket = gcs.bucket()
        api = make_api(storage={"backend": "gcs", "bucket": bucket})
        store = GcsStore(bucket)
        agents = Agents(store)
        agents.pair()
        assert call(api, "GET", "/v1/admin/agents").json()["leader"] == "nas-1"
        with obeying(agents):
            done = failover(api, "nas-1", wait_seconds=30)
        assert (done.status_code, done.json()["new_primary"]) == (200, "nas-2")
        begun = failover(api, "nas-1").json()
        store.close()
    rows = api.counts()["failovers"]
    for answer in (
        call(api, "GET", "/v1/admin/agents"),
        failover(api, "nas-2"),
        call(api, "GET", f"/v1/admin/failovers/{begun['operation_id']}"),
        call(api, "POST", "/v1/admin/pause"),
    ):
        assert code(answer) == (503, "COORDINATION_UNAVAILABLE")
    assert api.counts()["failovers"] == rows
    # Requests for clips do not need the agents' documents.
    assert api.request().status_code == 202
