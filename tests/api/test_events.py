"""Event streams: which events, to which client, in which order, and how a client resumes."""

from __future__ import annotations

import socket
import time
from urllib.parse import urlsplit

import pytest
import requests

from tests.api.api_process import CLIENT, STRANGER, ApiProcess
from tests.api.conftest import MakeApi
from tests.api.messages import completed, failed, progress, retrying
from tests.support.events import EventReader
from tests.support.postgres import PostgresServer
from tests.support.waiting import eventually


def watch(api: ApiProcess, request_id: str, *, after: str | None = None) -> EventReader:
    return EventReader(f"{api.url}/v1/clip/{request_id}/events", CLIENT, after)


def ask(api: ApiProcess) -> str:
    return str(api.request().json()["request_id"])


def test_a_clip_from_the_queue_to_its_end(api: ApiProcess) -> None:
    request_id = ask(api)
    with watch(api, request_id) as reader:
        assert reader.status == 200
        assert reader.headers["content-type"].startswith("text/event-stream")
        assert reader.headers["cache-control"] == "no-store"
        first = reader.wait("status")
        assert (first.data["request_id"], first.data["status"]) == (request_id, "queued")
        api.send(progress(request_id=request_id, progress_percent=10.0))
        eventually(lambda: reader.names.count("status") == 2)
        api.send(progress(request_id=request_id, progress_percent=40.0, seq=2))
        assert reader.wait("progress").data["progress_percent"] == 40.0
        api.send(completed(request_id=request_id))
        last = reader.wait("completed")
        reader.wait_for_end()
    assert last.data == api.status(request_id)
    assert reader.ended
    assert reader.names == ["status", "status", "progress", "completed"]
    ids = [int(event.id or 0) for event in reader.events]
    assert ids == sorted(set(ids))
    assert 1000 <= (reader.retry or 0) <= 3000


def test_a_retry_is_sent(make_api: MakeApi) -> None:
    api = make_api()
    request_id = ask(api)
    with watch(api, request_id) as reader:
        reader.wait("status")
        api.send(progress(request_id=request_id, seq=1))
        eventually(lambda: reader.names.count("status") == 2)
        api.send(retrying("SIGNING_UNAVAILABLE", request_id=request_id, seq=2))
        waits = reader.wait("retrying").data
        assert (waits["status"], waits["stage"], waits["attempt"]) == ("processing", "retrying", 1)
        assert waits["last_error"]["code"] == "SIGNING_UNAVAILABLE"
        assert waits["next_attempt_at"] == "2026-11-20T08:15:40.000Z"
        api.send(progress(request_id=request_id, attempt=2, stage="probing"))
        eventually(lambda: reader.names.count("status") == 3)
        assert reader.events[-1].data["last_error"] == waits["last_error"]
        assert "next_attempt_at" not in reader.events[-1].data
        api.send(retrying("X_OF_A_NEWER_AGENT", request_id=request_id, attempt=2, seq=2))
        eventually(lambda: reader.names.count("retrying") == 2)
        api.send(completed(request_id=request_id, attempt=2))
        reader.wait_for_end()
    assert reader.names == ["status", "status", "retrying", "status", "retrying", "completed"]
    assert "last_error" not in reader.events[-1].data
    text = api.get("/metrics").text
    assert 'clipping_api_retries_total{code="SIGNING_UNAVAILABLE"} 1.0' in text
    assert 'clipping_api_retries_total{code="other"} 1.0' in text


@pytest.mark.parametrize("end", ["completed", "failed", "cancelled"])
def test_a_late_client_gets_the_last_event_and_the_stream_ends(api: ApiProcess, end: str) -> None:
    request_id = ask(api)
    if end == "cancelled":
        assert api.post(f"/v1/clip/{request_id}/cancel").status_code == 202
    else:
        api.send((completed if end == "completed" else failed)(request_id=request_id))
        api.wait_for_status(request_id, end)
    with watch(api, request_id) as reader:
        reader.wait_for_end()
    assert reader.names == ["status", end]
    assert reader.ended
    with watch(api, request_id, after=reader.last_id) as again:
        assert again.status == 204  # a browser does not come back after this


def test_a_reconnected_client_gets_what_it_missed_and_nothing_twice(api: ApiProcess) -> None:
    request_id = ask(api)
    with watch(api, request_id) as reader:
        reader.wait("status")
    with watch(api, request_id, after=reader.last_id) as same:
        api.send(progress(request_id=request_id, progress_percent=20.0))
        assert same.wait("status").data["progress_percent"] == 20.0
        assert same.names == ["status"]
    api.send(progress(request_id=request_id, progress_percent=60.0, seq=2))
    eventually(lambda: api.status(request_id)["progress_percent"] == 60.0)
    with watch(api, request_id, after=same.last_id) as later:
        assert later.wait("status").data["progress_percent"] == 60.0


@pytest.mark.parametrize("nonsense", ["", "x", "-1", "99999999999999999999", "1.5", "999999"])
def test_an_unknown_id_starts_from_the_beginning(api: ApiProcess, nonsense: str) -> None:
    request_id = ask(api)
    with watch(api, request_id, after=nonsense) as reader:
        assert reader.wait("status").data["status"] == "queued"


def test_only_the_last_event_of_a_change_carries_its_id(api: ApiProcess) -> None:
    request_id = ask(api)
    with watch(api, request_id) as reader:
        reader.wait("status")
        api.send(retrying(request_id=request_id))
        reader.wait("retrying")
    assert reader.names[1:] == ["status", "retrying"]
    assert [event.id is not None for event in reader.events[1:]] == [False, True]


def test_strangers_and_bad_ids_are_404(api: ApiProcess) -> None:
    request_id = ask(api)
    for path, key in ((request_id, STRANGER), ("clip-20261120-000000000000", CLIENT), ("x", CLIENT)):
        with EventReader(f"{api.url}/v1/clip/{path}/events", key) as reader:
            assert reader.status == 404


def test_head_answers_without_a_stream(api: ApiProcess) -> None:
    answer = api.session.head(f"{api.url}/v1/clip/{ask(api)}/events", timeout=30)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/event-stream")


def test_http_1_0_gets_a_stream_that_ends_with_the_connection(api: ApiProcess) -> None:
    request_id = ask(api)
    api.send(failed(request_id=request_id))
    api.wait_for_status(request_id, "failed")
    where = urlsplit(api.url)
    with socket.create_connection((where.hostname, where.port), timeout=30) as connection:
        path = f"/v1/clip/{request_id}/events"
        connection.sendall(f"GET {path} HTTP/1.0\r\nAuthorization: Bearer {CLIENT}\r\n\r\n".encode())
        answer = b""
        while part := connection.recv(65536):
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"chunked" not in head
    assert body.startswith(b"retry: ")
    assert b"event: failed\n" in body
    assert body.endswith(b"\n\n")


@pytest.mark.slow
def test_a_silent_stream_carries_comments(api: ApiProcess) -> None:
    with watch(api, ask(api)) as reader:
        reader.wait("status")
        began = time.monotonic()
        eventually(lambda: reader.comments, "a comment", within=60)
        assert 8 < time.monotonic() - began < 30  # 15 s are promised; the machine may be busy
        assert not reader.ended


def test_streams_hold_no_threads_and_have_a_bound(make_api: MakeApi) -> None:
    api = make_api(api={"threads": 2, "event_streams": 30})
    request_id = ask(api)
    readers = [watch(api, request_id) for _ in range(30)]
    try:
        for reader in readers:
            reader.wait("status")
        refused = api.get(f"/v1/clip/{request_id}/events")
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "TOO_MANY_STREAMS")
        assert int(refused.headers["Retry-After"]) > 0
        assert ask(api)
        assert eventually(lambda: "clipping_api_event_streams 30.0" in api.get("/metrics").text)
        readers.pop().close()
        eventually(lambda: "clipping_api_event_streams 29.0" in api.get("/metrics").text)
        readers.append(watch(api, request_id))
        api.send(completed(request_id=request_id))
        for reader in readers:
            reader.wait("completed")
            reader.wait_for_end()
    finally:
        for reader in readers:
            reader.close()
    eventually(lambda: "clipping_api_event_streams 0.0" in api.get("/metrics").text)


def test_a_client_that_reads_nothing_is_disconnected_and_delays_no_other(api: ApiProcess) -> None:
    request_id = str(api.request(metadata={"x": "y" * 1000}).json()["request_id"])
    where = urlsplit(api.url)
    with socket.socket() as lazy, watch(api, request_id) as reader:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lazy.settimeout(30)
        lazy.connect((where.hostname, where.port))
        path = f"/v1/clip/{request_id}/events"
        lazy.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {CLIENT}\r\n\r\n".encode())
        reader.wait("status")
        for seq in range(1, 6):
            api.send(progress(request_id=request_id, seq=seq, progress_percent=float(seq)))
            eventually(lambda seq=seq: reader.events[-1].data["progress_percent"] == seq)  # type: ignore[misc]
        assert api.status(request_id)["progress_percent"] == 5.0


def test_a_stop_ends_the_streams_and_clients_resume_after_a_restart(make_api: MakeApi) -> None:
    api = make_api()
    request_id = ask(api)
    with watch(api, request_id) as reader:
        reader.wait("status")
        assert api.stop() == 0
        reader.wait_for_end()
        assert reader.ended
    api.start()
    with watch(api, request_id, after=reader.last_id) as again:
        api.send(completed(request_id=request_id))
        again.wait("completed")


def test_a_kill_loses_no_event(make_api: MakeApi) -> None:
    api = make_api()
    request_id = ask(api)
    with watch(api, request_id) as reader:
        reader.wait("status")
        api.kill()
        reader.wait_for_end()
        assert not reader.ended
    api.send(completed(request_id=request_id))
    api.start()
    with watch(api, request_id, after=reader.last_id) as again:
        again.wait("completed")


@pytest.mark.slow
def test_any_instance_may_receive_the_agents_messages(make_api: MakeApi, postgres: PostgresServer) -> None:
    url = postgres.database()
    first = make_api(api={"database_url": url})
    second = make_api(api={"database_url": url}, pubsub={"project": first.config.pubsub.project})
    first_id, second_id = ask(first), ask(second)
    with watch(first, second_id) as here, watch(second, first_id) as there:
        for reader in (here, there):
            reader.wait("status")
        for request_id in (first_id, second_id):
            first.send(progress(request_id=request_id))
            first.send(completed(request_id=request_id))
        for reader in (here, there):
            reader.wait("completed")
            reader.wait_for_end()


@pytest.mark.slow
def test_a_stream_outlives_its_database(make_api: MakeApi, postgres: PostgresServer) -> None:
    api = make_api(api={"database_url": postgres.database()})
    request_id = ask(api)
    with watch(api, request_id) as reader:
        reader.wait("status")
        postgres.kill()
        eventually(lambda: requests.get(f"{api.url}/health", timeout=30).status_code == 503)
        postgres.start()
        api.send(completed(request_id=request_id))
        reader.wait("completed")
