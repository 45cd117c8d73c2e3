"""Statistics by hour and by day."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from api.db import schema, stats
from api.db.engine import Database
from clipping.clock import parse_rfc3339
from tests.api.api_process import ADMIN, STRANGER, ApiProcess
from tests.api.messages import NOW, completed, failed
from tests.api.rows import put

HOUR = timedelta(hours=1)
BAD_TIMESERIES = (
    "period=1h",
    "utc_offset_minutes=841",
    "utc_offset_minutes=-721",
    "utc_offset_minutes=9.5",
    "utc_offset_minutes=",
    "utc_offset_minutes=%2B540",
    "utc_offset_minutes=%D9%A1",
    "utc_offset_minutes=0&utc_offset_minutes=0",
    "interval=hour",
)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(database_url, connections=4)
    schema.migrate(made)
    yield made
    made.close()


def over_time(
    database: Database, *, owner: str | None = None, origin: datetime = NOW, **over: Any
) -> dict[int, stats.Bucket]:
    with database.read() as session:
        options = {"since": origin, "width": HOUR, **over}
        return stats.over_time(session, owner=owner, origin=origin, **options)


def test_a_bucket_has_the_requests_of_its_hour_and_their_percentiles(database: Database) -> None:
    chance = random.Random(19)
    times: dict[int, list[float]] = {}
    for _ in range(80):
        number, seconds = chance.randrange(3), round(chance.uniform(0.1, 9), 2)
        mode, owner = chance.choice(["copy", "smart", "encode"]), chance.choice(["web", "other"])
        put(
            database,
            at=NOW + number * HOUR + timedelta(seconds=chance.uniform(0, 3600)),
            owner=owner,
            mode=mode,
            status="completed",
            processing_time_seconds=seconds,
            file_size_bytes=10,
        )
        times.setdefault(number, []).append(seconds)
    put(database, at=NOW + HOUR, status="failed", file_size_bytes=99)
    put(database, at=NOW + HOUR, status="cancelled"), put(database, at=NOW + HOUR)
    found = over_time(database)
    assert {number: bucket.completed for number, bucket in found.items()} == {
        number: len(each) for number, each in times.items()
    }
    for number, bucket in found.items():
        ordered = sorted(times[number])
        ranks = [ordered[ceil(part * len(ordered)) - 1] for part in (0.5, 0.95)]
        assert [bucket.p50_seconds, bucket.p95_seconds] == ranks
        assert bucket.by_mode.total() == bucket.completed
        assert bucket.output_bytes == 10 * bucket.completed
        assert (bucket.failed, bucket.total - bucket.completed) == ((1, 3) if number == 1 else (0, 0))
    own = over_time(database, owner="web"), over_time(database, owner="other")
    assert sum(bucket.total for each in own for bucket in each.values()) == 83
    assert over_time(database, owner="none") == {}


def test_the_sums_are_the_totals_of_the_period(database: Database) -> None:
    chance = random.Random(7)
    for _ in range(60):
        status = chance.choice(["completed", "failed", "queued", "cancelled"])
        put(database, at=NOW - timedelta(hours=chance.uniform(0, 30)), status=status, file_size_bytes=5)
    since, origin = NOW - 24 * HOUR, NOW - 24.5 * HOUR
    buckets = over_time(database, origin=origin, since=since).values()
    with database.read() as session:
        totals = stats.totals(session, owner=None, since=since)
    assert sum(bucket.total for bucket in buckets) == sum(totals.by_status.values())
    assert sum(bucket.completed for bucket in buckets) == totals.by_status["completed"]
    assert sum(bucket.failed for bucket in buckets) == totals.by_status["failed"]
    assert sum(bucket.output_bytes for bucket in buckets) == totals.output_bytes


def test_an_hour_begins_at_its_first_millisecond(database: Database) -> None:
    tick = timedelta(milliseconds=1)
    for at in (NOW + HOUR - tick, NOW + HOUR, NOW + 2 * HOUR - tick):
        put(database, at=at)
    assert {number: bucket.total for number, bucket in over_time(database).items()} == {0: 1, 1: 2}


def test_clips_without_a_time_are_counted_and_have_no_percentile(database: Database) -> None:
    for seconds in (None, None, 4.0):
        put(database, status="completed", processing_time_seconds=seconds)
    assert over_time(database)[0].p50_seconds == 4.0
    assert over_time(database)[0].completed == 3
    put(database, at=NOW + HOUR, status="completed", processing_time_seconds=None)
    assert over_time(database)[1].p95_seconds is None


@pytest.mark.parametrize(("owner", "index"), [(None, "created_at"), ("web", "owner_created_at")])
def test_an_index_finds_the_rows_of_the_period(tmp_path: Path, owner: str | None, index: str) -> None:
    database = Database(f"sqlite:///{tmp_path}/x.db", connections=1)
    schema.migrate(database)
    calls: list[tuple[Any, ...]] = []
    event.listen(database.engine, "before_cursor_execute", lambda *call: calls.append(call))
    over_time(database, owner=owner)
    _, _, statement, values, *_ = calls[-1]
    with database.engine.connect() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
    database.close()
    assert f"SEARCH requests USING INDEX ix_requests_{index} (" in str(plan)


def test_a_timeseries_over_http(either_api: ApiProcess) -> None:
    done, bad = (either_api.request().json()["request_id"] for _ in range(2))
    either_api.send(completed(request_id=done))
    either_api.send(failed(request_id=bad))
    either_api.wait_for_status(done, "completed")
    either_api.wait_for_status(bad, "failed")
    for period, offset, interval, counts in (
        ("24h", 0, "hour", (24, 25)),
        ("24h", 330, "hour", (24, 25)),
        ("7d", 540, "day", (7, 8)),
        ("30d", -720, "day", (30, 31)),
    ):
        query: dict[str, Any] = {"period": period, "utc_offset_minutes": offset}
        body = either_api.get("/v1/stats/timeseries", params=query).json()
        assert (body["period"], body["interval"], body["utc_offset_minutes"]) == (period, interval, offset)
        starts = [parse_rfc3339(bucket["start"]) for bucket in body["buckets"]]
        width = HOUR if interval == "hour" else 24 * HOUR
        assert all(after - before == width for before, after in pairwise(starts))
        local = starts[0] + timedelta(minutes=offset)
        assert (local.minute, local.second, local.microsecond) == (0, 0, 0)
        assert interval == "hour" or local.hour == 0
        assert len(starts) - 1 in counts
        assert body["buckets"][0] == {
            "start": body["buckets"][0]["start"],
            "total_requests": 0,
            "completed": 0,
            "failed": 0,
            "completed_by_mode": {"copy": 0, "smart": 0, "encode": 0},
            "total_output_bytes": 0,
        }
        newest = {key: sum(bucket[key] for bucket in body["buckets"][-2:]) for key in ("completed", "failed")}
        assert newest == {"completed": 1, "failed": 1}
        with_times = [each["p95_processing_time_sec"] for each in body["buckets"][-2:] if each["completed"]]
        assert with_times == [1.5]


def test_a_caller_sees_their_own_and_an_admin_all(either_api: ApiProcess) -> None:
    either_api.request()
    for key, expected in ((STRANGER, False), (ADMIN, True)):
        headers = {"Authorization": f"Bearer {key}"}
        buckets = either_api.get("/v1/stats/timeseries", headers=headers).json()["buckets"]
        assert (sum(bucket["total_requests"] for bucket in buckets) > 0) == expected


@pytest.mark.parametrize("query", BAD_TIMESERIES)
def test_a_bad_query_names_its_parameter(either_api: ApiProcess, query: str) -> None:
    answer = either_api.get(f"/v1/stats/timeseries?{query}")
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, query.partition("=")[0])
