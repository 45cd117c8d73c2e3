"""Lists with filters and cursors, and statistics."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event

from api.db import listing, schema, stats
from api.db.engine import Database
from api.db.listing import Filters, Position
from api.http.query_params import cursor_behind, parse_list, parse_period
from clipping.errors import InvalidPeriod, InvalidRequest
from tests.api.api_process import ADMIN, STRANGER, ApiProcess
from tests.api.messages import NOW, completed, failed
from tests.api.rows import put, put_reel, report

MINUTE = timedelta(minutes=1)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(database_url, connections=4)
    schema.migrate(made)
    yield made
    made.close()


def page(
    database: Database, *, behind: Position | None = None, limit: int = 100, **filters: Any
) -> list[str]:
    with database.read() as session:
        rows = listing.page(session, Filters(**filters), behind=behind, limit=limit)
    return [row.request_id for row in rows]


def walk(database: Database, limit: int) -> Iterator[str]:
    """All pages; between any two of them new requests come in."""
    behind: Position | None = None
    while True:
        with database.read() as session:
            rows = listing.page(session, Filters(), behind=behind, limit=limit)
        if not rows:
            return
        yield from (row.request_id for row in rows)
        behind = Position(rows[-1].created_at, rows[-1].request_id)
        for _ in range(3):
            put(database, at=NOW + timedelta(hours=1))


@pytest.mark.parametrize("limit", [1, 2, 7])
def test_pages_contain_each_request_once_despite_new_requests(database: Database, limit: int) -> None:
    # Several were made in the same millisecond.
    made = [put(database, at=NOW + MINUTE * (number // 4)) for number in range(14)]
    expected = sorted(made, key=lambda each: (made.index(each) // 4, each), reverse=True)
    assert list(walk(database, limit)) == expected


def test_each_filter_filters(database: Database) -> None:
    old = put(database, at=NOW - MINUTE, hand_id="a")
    middle = put(database, hand_id="b", owner="other")
    new = put(database, at=NOW + MINUTE, hand_id="a")
    report(database, completed(request_id=old))
    assert page(database) == [new, middle, old]
    assert page(database, hand_id="a") == [new, old]
    assert page(database, owner="other") == [middle]
    assert page(database, status="queued") == [new, middle]
    assert page(database, created_after=NOW) == [new]
    assert page(database, created_before=NOW) == [old]
    assert page(database, created_after=NOW - MINUTE, created_before=NOW + MINUTE) == [middle]
    assert page(database, hand_id="a", status="completed", owner="web") == [old]


def test_reels_are_listed_beside_clips_or_alone(database: Database) -> None:
    clip = put(database, at=NOW)
    reel = put_reel(database, at=NOW + MINUTE)
    others = put_reel(database, at=NOW + 2 * MINUTE, owner="other")
    assert page(database) == [others, reel, clip]
    assert page(database, kind="reel") == [others, reel]
    assert page(database, kind="reel", owner="web", hand_id="reel-1", status="queued") == [reel]
    assert page(database, kind="clip") == [clip]


def test_reels_are_found_by_an_index(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/x.db", connections=1)
    schema.migrate(database)
    statements: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *call: statements.append(call[2]))
    page(database, kind="reel")
    with database.engine.connect() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statements[-1]}", (10, 0)).all()
    database.close()
    assert "ix_requests_reels" in str(plan)


def test_a_list_over_http(either_api: ApiProcess) -> None:
    ids = [either_api.request(hand_id="listed").json()["request_id"] for _ in range(5)]
    seen: list[str] = []
    query = {"hand_id": "listed", "limit": "2", "status": "queued"}
    pages = 0
    while True:
        body = either_api.get("/v1/clips", params=query).json()
        seen += [clip["request_id"] for clip in body["clips"]]
        pages += 1
        if "next_cursor" not in body:
            break
        query["cursor"] = body["next_cursor"]
    assert (pages, set(seen), len(seen)) == (3, set(ids), 5)
    first = either_api.get("/v1/clips", params={"hand_id": "listed"}).json()["clips"]
    assert [clip["created_at"] for clip in first] == sorted((c["created_at"] for c in first), reverse=True)
    assert first[0] == either_api.status(first[0]["request_id"])


def test_a_caller_lists_and_counts_their_own_and_an_admin_all(either_api: ApiProcess) -> None:
    mine = either_api.request(hand_id="whose").json()["request_id"]
    for key, expected in ((STRANGER, []), (ADMIN, [mine])):
        headers = {"Authorization": f"Bearer {key}"}
        answer = either_api.get("/v1/clips", params={"hand_id": "whose"}, headers=headers)
        assert [clip["request_id"] for clip in answer.json()["clips"]] == expected
        total = either_api.get("/v1/stats", headers=headers).json()["total_requests"]
        assert (total > 0) == bool(expected)


def test_statistics_count_what_happened_in_the_period(database: Database) -> None:
    for seconds in range(1, 21):
        request_id = put(database)
        report(database, completed(request_id=request_id, processing_time_seconds=float(seconds)))
    for _ in range(5):
        report(database, failed(request_id=put(database)))
    report(database, failed(request_id=put(database), status="cancelled"))
    put(database), put(database, owner="other"), put(database, at=NOW - MINUTE)
    with database.read() as session:
        found = stats.totals(session, owner="web", since=NOW)
        total = stats.totals(session, owner=None, since=NOW)
        nothing = stats.totals(session, owner="web", since=NOW + MINUTE)
    assert found.by_status == {"completed": 20, "failed": 5, "cancelled": 1, "queued": 1}
    assert (found.average_seconds, found.p95_seconds, found.output_bytes) == (10.5, 19.0, 20_000)
    assert total.by_status["queued"] == 2
    assert nothing == stats.Totals({}, None, None, 0)


def test_statistics_over_http(either_api: ApiProcess) -> None:
    done, bad = (either_api.request().json()["request_id"] for _ in range(2))
    either_api.send(completed(request_id=done))
    either_api.send(failed(request_id=bad))
    either_api.wait_for_status(done, "completed")
    either_api.wait_for_status(bad, "failed")
    for period in ("24h", "7d", "30d"):
        body = either_api.get("/v1/stats", params={"period": period}).json()
        assert set(body) == {
            "period",
            "total_requests",
            "completed",
            "failed",
            "queued",
            "success_rate",
            "avg_processing_time_sec",
            "p95_processing_time_sec",
            "total_output_bytes",
        }
        assert (body["period"], body["completed"], body["failed"], body["success_rate"]) == (
            period,
            1,
            1,
            0.5,
        )
        assert (body["avg_processing_time_sec"], body["total_output_bytes"]) == (1.5, 1000)


BAD_QUERIES = [
    ("limit=0", "limit"),
    ("limit=201", "limit"),
    ("limit=-1", "limit"),
    ("limit=ten", "limit"),
    ("limit=1e2", "limit"),
    ("limit=", "limit"),
    ("limit=%D9%A1", "limit"),
    ("limit=5&limit=6", "limit"),
    ("kind=batch", "kind"),
    ("kind=", "kind"),
    ("status=done", "status"),
    ("status=QUEUED", "status"),
    ("status=", "status"),
    ("status=queued,failed", "status"),
    ("hand_id=", "hand_id"),
    ("hand_id=a%00b", "hand_id"),
    ("hand_id=..%2Fx", "hand_id"),
    ("hand_id=%ff", "hand_id"),
    ("created_after=yesterday", "created_after"),
    ("created_after=2026-11-20", "created_after"),
    ("created_after=2026-11-20T08:15:30", "created_after"),
    ("created_after=2026-13-20T08:15:30Z", "created_after"),
    ("created_after=0001-01-01T00:00:00%2B14:00", "created_after"),
    ("created_before=1763626530", "created_before"),
    ("created_before=", "created_before"),
    ("created_before=9999-12-31T23:59:59-14:00", "created_before"),
    ("cursor=", "cursor"),
    ("cursor=x", "cursor"),
    ("cursor=%00", "cursor"),
    ("cursor=%C3%A9", "cursor"),
    ("cursor=W10", "cursor"),
    ("cursor=WzEsMiwzXQ", "cursor"),
    ("cursor=bnVsbA", "cursor"),
    ("owner=ops", "owner"),
    ("Limit=5", "Limit"),
    ("%00=5", "a parameter"),
]


@pytest.mark.parametrize(("query", "field"), BAD_QUERIES, ids=[query for query, _ in BAD_QUERIES])
def test_a_bad_query_names_its_parameter(either_api: ApiProcess, query: str, field: str) -> None:
    answer = either_api.get(f"/v1/clips?{query}")
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["field"]) == (400, "INVALID_REQUEST", field)


@pytest.mark.parametrize("query", ["period=1h", "period=", "period=24H", "period=%00", "period=24h%20"])
def test_an_invalid_period_has_its_own_code(either_api: ApiProcess, query: str) -> None:
    error = either_api.get(f"/v1/stats?{query}").json()["error"]
    assert (error["code"], error["field"]) == ("INVALID_PERIOD", "period")


def test_a_cursor_belongs_to_its_filters() -> None:
    position = Position(NOW, "clip-20261120-8t3vq0z6m4k1h9pn")
    cursor = cursor_behind(position, Filters(owner="web", hand_id="a"))
    assert parse_list({"hand_id": ["a"], "cursor": [cursor]}, owner="web").behind == position
    for query, owner in (({"hand_id": ["b"]}, "web"), ({}, "web"), ({"hand_id": ["a"]}, "other")):
        with pytest.raises(InvalidRequest, match="cursor must be"):
            parse_list({**query, "cursor": [cursor]}, owner=owner)


@given(st.text())
def test_no_cursor_of_a_strangers_making_breaks_anything(cursor: str) -> None:
    with pytest.raises(InvalidRequest, match="cursor must be"):
        parse_list({"cursor": [cursor]}, owner=None)


def test_without_a_period_it_is_a_day() -> None:
    assert parse_period({}) == "24h"
    with pytest.raises(InvalidPeriod):
        parse_period({"period": ["1y"]})
