"""The stream of all requests of a caller: what is in it, and how a client resumes without gaps."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from urllib.parse import urlsplit

import pytest
from sqlalchemy import select, update

from api.db import changes, clips, schema
from api.db.changes import Position, parse_position
from api.db.engine import Database
from api.db.tables import Clip
from api.events.feed import BATCH_BYTES
from clipping.client import Client
from tests.api.api_process import ADMIN, CLIENT, STRANGER, ApiProcess
from tests.api.conftest import MakeApi, migrated
from tests.api.db.test_database import row
from tests.api.messages import completed, failed, progress
from tests.support.events import Event, EventReader
from tests.support.postgres import PostgresServer
from tests.support.waiting import eventually


def follow(api: ApiProcess, query: str = "", *, after: str | None = None, key: str = CLIENT) -> EventReader:
    return EventReader(f"{api.url}/v1/events{query}", key, after)


def ask(api: ApiProcess, **over: object) -> str:
    return str(api.request(**over).json()["request_id"])


def of(reader: EventReader, *request_ids: str) -> list[Event]:
    return [event for event in reader.events if event.data.get("request_id") in request_ids]


def seen(reader: EventReader, *request_ids: str) -> list[tuple[str, str]]:
    return [(event.name, event.data["request_id"]) for event in of(reader, *request_ids)]


def test_all_requests_in_one_stream_that_does_not_end(either_api: ApiProcess) -> None:
    earlier = ask(either_api)
    with follow(either_api) as reader, follow(either_api, "?kind=reel") as reels:
        assert (reader.status, reader.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        for each in (reader, reels):
            assert each.wait("reset").data == {"reason": "new"}
        first = ask(either_api)
        reel = str(either_api.request_reel().json()["request_id"])
        eventually(lambda: len(of(reader, first, reel)) == 2)
        either_api.send(progress(request_id=first, progress_percent=10.0))
        eventually(lambda: seen(reader, first)[-1][0] == "status" and len(of(reader, first)) == 2)
        either_api.send(progress(request_id=first, progress_percent=40.0, seq=2))
        assert reader.wait("progress").data["progress_percent"] == 40.0
        either_api.send(completed(request_id=first))
        last = reader.wait("completed")
        either_api.post(f"/v1/reel/{reel}/cancel")
        assert reader.wait("cancelled").data["reel_id"] == "reel-1"
        either_api.send(failed(request_id=earlier))
        assert reader.wait("failed").data["request_id"] == earlier
        reels.wait("cancelled")
        assert not reader.ended
    assert [name for name, _ in seen(reader, first)] == ["status", "status", "progress", "completed"]
    assert last.data == either_api.status(first)
    assert last.data.keys() >= {"request_id", "hand_id", "kind"}
    assert seen(reels, first, reel) == [("status", reel), ("cancelled", reel)]
    ids = [parse_position(event.id or "") for event in reader.events]
    assert None not in ids
    assert ids == sorted(set(ids))  # type: ignore[type-var]


def test_a_client_that_returns_gets_what_happened_meanwhile_once(either_api: ApiProcess) -> None:
    with follow(either_api) as reader:
        reader.wait("reset")
        known = ask(either_api)
        eventually(lambda: of(reader, known))
    away = [ask(either_api, hand_id=f"away-{number}") for number in range(3)]
    either_api.send(completed(request_id=away[0]))
    either_api.wait_for_status(away[0], "completed")
    for query, after in (("", reader.last_id), (f"?since={reader.last_id}", None)):
        with follow(either_api, query, after=after) as again:
            eventually(lambda again=again: len(of(again, *away)) == 3)  # type: ignore[misc]
            now = ask(either_api)
            eventually(lambda again=again, now=now: of(again, now))  # type: ignore[misc]
        assert "reset" not in again.names
        assert of(again, known) == []
        assert sorted(seen(again, *away)) == sorted(
            [("completed", away[0]), ("status", away[1]), ("status", away[2])]
        )
        reader.events += again.events


def test_strangers_see_nothing_and_admins_all_or_one_owners(either_api: ApiProcess) -> None:
    stranger, admin = follow(either_api, key=STRANGER), follow(either_api, key=ADMIN)
    ones, none = follow(either_api, "?owner=web", key=ADMIN), follow(either_api, "?owner=other", key=ADMIN)
    readers = (stranger, admin, ones, none)
    try:
        for reader in readers:
            reader.wait("reset")
        request_id = ask(either_api)
        for reader in (admin, ones):
            eventually(lambda reader=reader: of(reader, request_id))  # type: ignore[misc]
        either_api.session.headers["Authorization"] = f"Bearer {STRANGER}"
        theirs = ask(either_api)
        for reader in (admin, stranger, none):
            eventually(lambda reader=reader: of(reader, theirs))  # type: ignore[misc]
        assert of(stranger, request_id) == of(none, request_id) == of(ones, theirs) == []
    finally:
        either_api.session.headers["Authorization"] = f"Bearer {CLIENT}"
        for reader in readers:
            reader.close()
    assert either_api.get("/v1/events?owner=other").status_code == 403


BAD_FEEDS = ["since=x", "since=", "since=-1", "since=1-clip", "kind=other", "owner=", "all=true"]


@pytest.mark.parametrize("query", BAD_FEEDS)
def test_bad_parameters_are_refused(api: ApiProcess, query: str) -> None:
    answer = api.get(f"/v1/events?{query}")
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, query.partition("=")[0])


def test_an_id_that_is_not_known_starts_from_now(api: ApiProcess) -> None:
    for after, reason in (("nonsense", "new"), ("999999999999", "too_old")):
        with follow(api, after=after) as reader:
            assert reader.wait("reset").data == {"reason": reason}


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def test_a_kill_loses_nothing_and_repeats_nothing(
    make_api: MakeApi, request: pytest.FixtureRequest, kind: str
) -> None:
    over = {}
    if kind == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        over["api"] = {"database_url": migrated(server.database())}
    api = make_api(**over)
    ids = [ask(api, hand_id=f"hand-{number}") for number in range(12)]
    with follow(api) as reader:
        reader.wait("reset")
        for request_id in ids[:6]:
            api.send(completed(request_id=request_id))
        eventually(lambda: "completed" in reader.names)
        api.kill()
        reader.wait_for_end()
        assert not reader.ended
    for request_id in ids[6:]:
        api.send(completed(request_id=request_id))
    api.start()
    with follow(api, after=reader.last_id) as again:
        eventually(
            lambda: len({e.data.get("request_id") for e in reader.events + again.events} & {*ids}) == 12
        )
        last = ask(api)
        eventually(lambda: of(again, last))
    assert "reset" not in again.names
    ends = Counter(e.data["request_id"] for e in reader.events + again.events if e.name == "completed")
    assert ends == Counter(ids)


@pytest.mark.slow
def test_two_processes_have_the_same_stream(make_api: MakeApi, postgres: PostgresServer) -> None:
    url = migrated(postgres.database())
    first = make_api(api={"database_url": url})
    second = make_api(api={"database_url": url}, pubsub={"project": first.config.pubsub.project})
    with follow(first) as reader:
        reader.wait("reset")
        ids = [ask(each) for each in (first, second, first)]
        eventually(lambda: len(of(reader, *ids)) == 3)
        with follow(second, after=of(reader, *ids)[0].id) as other:
            eventually(lambda: len(of(other, *ids)) == 2)
            more = ask(first)
            eventually(lambda: of(other, more) and of(reader, more))
    assert [event.id for event in of(other, *ids)] == [event.id for event in of(reader, *ids)][1:]
    assert "reset" not in other.names


def test_a_caller_has_a_bound(make_api: MakeApi) -> None:
    api = make_api(api={"event_streams_per_caller": 2})
    readers = [follow(api) for _ in range(2)]
    try:
        for reader in readers:
            reader.wait("reset")
        refused = api.get("/v1/events")
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "TOO_MANY_STREAMS")
        with (
            follow(api, key=STRANGER) as other,
            EventReader(f"{api.url}/v1/clip/{ask(api)}/events", CLIENT) as one,
        ):
            other.wait("reset")
            one.wait("status")
        readers.pop().close()
        eventually(lambda: "clipping_api_event_streams 1.0" in api.get("/metrics").text)
        readers.append(follow(api))
        readers[-1].wait("reset")
    finally:
        for reader in readers:
            reader.close()


@pytest.mark.slow
def test_a_client_that_does_not_read_delays_no_other_and_misses_nothing(make_api: MakeApi) -> None:
    api = make_api()
    ids: list[str] = []
    where = urlsplit(api.url)
    with socket.socket() as lazy, follow(api) as reader:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lazy.settimeout(30)
        lazy.connect((where.hostname, where.port))
        lazy.sendall(f"GET /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {CLIENT}\r\n\r\n".encode())
        reader.wait("reset")
        metadata = {f"key-{number}": "y" * 1000 for number in range(16)}
        wanted = [
            {"hand_id": f"h-{number}", "nas_video_path": f"{api.root}/a.mp4", "start_seconds": 0}
            | {"end_seconds": 1, "metadata": metadata}
            for number in range(40)
        ]
        assert 4 * BATCH_BYTES < 40 * 16_000
        for _ in range(8):
            answer = api.post("/v1/clip/batch", json={"clips": wanted})
            ids += [item["request_id"] for item in answer.json()["items"]]
        eventually(lambda: len(of(reader, *ids)) == len(ids), within=60)
        received = b""
        while received.count(b"\nevent: status") < len(ids):
            received += lazy.recv(1 << 20)
        # The data of the last one may still be on its way.
        while b"\n\n" not in received[received.rindex(b"\nevent: status") :]:
            received += lazy.recv(1 << 20)
    for request_id in ids:
        assert received.count(f'"request_id":"{request_id}"'.encode()) == 1


@pytest.mark.slow
def test_the_client_follows_over_a_restart(make_api: MakeApi) -> None:
    api = make_api()
    seen: list[str] = []
    with Client(api.url, key=CLIENT) as client:
        events = client.all_events(kind="clip", timeout=60)
        assert next(events).kind == "reset"
        first = ask(api)
        assert next(events).data["request_id"] == first
        api.kill()
        api.start()
        api.send(completed(request_id=first))
        second = ask(api)
        for event in events:
            seen.append(f"{event.kind} {event.data['request_id']}")
            if len(seen) == 2:
                break
    assert sorted(seen) == sorted([f"completed {first}", f"status {second}"])


@pytest.fixture
def database(database_url: str) -> Database:
    made = Database(database_url, connections=8)
    schema.migrate(made)
    return made


def test_the_order_has_no_gap_for_transactions_that_overlap(database: Database) -> None:
    ids = [f"clip-20261120-{number:012d}" for number in range(4)]
    with database.write() as session:
        clips.add(session.connection(), [clips.row_of(row(each)) for each in ids])
    with database.read() as session:
        start = changes.end(session)
        assert changes.count(session, Position(0), start, limit=10) == 4
        assert [c.request_id for c in changes.between(session, Position(0), start, limit=3)] == ids[:3]

    def bump(request_id: str, revision: int) -> None:
        with database.write() as other:
            other.execute(update(Clip).where(Clip.request_id == request_id).values(revision=revision))

    if database.is_sqlite:
        bump(ids[1], 2)
    else:
        with database.write() as slow:
            slow.execute(update(Clip).where(Clip.request_id == ids[0]).values(revision=2))
            thread = threading.Thread(target=bump, args=(ids[1], 2), name="other")
            thread.start()
            thread.join(30)
            with database.read() as session:
                # The later transaction is over, but the earlier one could still add something before it.
                assert changes.between(session, start, changes.end(session), limit=10) == []
    with database.read() as session:
        found = changes.between(session, start, changes.end(session), limit=10)
        assert [each.request_id for each in found] == ids[1 if database.is_sqlite else 0 : 2]
        unchanged = session.scalars(select(Clip.change_id).where(Clip.request_id == ids[3])).one()
        assert unchanged < start.change_id
    database.close()
