"""How often, how much and how long."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from api.auth.limits import RateLimiter
from api.clips.quotas import DAY, ShortsQuota, ShortsUsedUp, shorts_left
from api.db import clips, schema
from api.db.engine import Database
from clipping.clock import ManualClock
from clipping.contract.messages import ClipRequest, RequestMessage
from clipping.contract.output import Output
from clipping.contract.results import QuotaDetails
from clipping.errors import QuotaExceeded, RateLimited
from tests.api.conftest import MakeApi
from tests.api.messages import NOW

SHORT = {"output": {"aspect": "9:16"}}


def test_a_caller_has_so_many_calls_a_minute() -> None:
    clock = ManualClock()
    limiter = RateLimiter(3, clock)
    seen = []
    for _ in range(3):
        allowance = limiter.take("web")
        assert allowance is not None
        allowance.check()
        seen.append((allowance.limit, allowance.remaining, allowance.reset_seconds))
        clock.advance(10)
    assert seen == [(3, 2, 60), (3, 1, 50), (3, 0, 40)]
    refused = limiter.take("web")
    assert refused is not None
    with pytest.raises(RateLimited) as error:
        refused.check()
    assert error.value.retry_after == 30
    assert refused.headers() == {
        "X-RateLimit-Limit": "3",
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": "30",
    }
    other = limiter.take("other")
    assert other is not None
    other.check()
    clock.advance(30)
    again = limiter.take("web")
    assert again is not None
    assert again.remaining == 2


def test_zero_means_no_limit() -> None:
    assert RateLimiter(0, ManualClock()).take("web") is None


def test_calls_beyond_the_rate_learn_when_to_retry(make_api: MakeApi) -> None:
    api = make_api(limits={"requests_per_minute": 5})
    answers = [api.get("/v1/clip/clip-20261120-000000000000/status") for _ in range(7)]
    assert [answer.status_code for answer in answers] == [404] * 5 + [429] * 2
    assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == list("4321000")
    last = answers[-1]
    assert last.json()["error"]["code"] == "RATE_LIMITED"
    assert 1 <= int(last.headers["Retry-After"]) <= 60
    assert last.headers["Retry-After"] == last.headers["X-RateLimit-Reset"]
    stranger = api.get("/v1/clips", headers={"Authorization": "Bearer stranger-key"})
    assert stranger.headers["X-RateLimit-Remaining"] == "4"
    assert "X-RateLimit-Limit" not in api.get("/health").headers


def test_a_caller_has_so_many_upright_clips_in_a_day(make_api: MakeApi) -> None:
    api = make_api(limits={"shorts_per_day": 2})
    assert [api.request(**SHORT).status_code for _ in range(3)] == [202, 202, 429]
    refused = api.request(**SHORT)
    error = refused.json()["error"]
    details = error["details"]
    assert (error["code"], details["limit"], details["used"]) == ("QUOTA_EXCEEDED", 2, 2)
    assert 86_300 <= details["retry_after_seconds"] <= 86_400
    assert 23.9 < details["hours_until_reset"] <= 24
    assert refused.headers["Retry-After"] == str(details["retry_after_seconds"])
    left = api.get("/v1/quota").json()["shorts"]
    assert (left["limit"], left["used"], left["remaining"]) == (2, 2, 0)
    assert 0 <= details["retry_after_seconds"] - left["retry_after_seconds"] < 60
    assert left["resets_at"] in error["message"]
    assert refused.headers["X-RateLimit-Limit"] == "2"
    assert refused.headers["X-RateLimit-Remaining"] == "0"
    assert api.request().status_code == 202
    api.session.headers["Authorization"] = "Bearer stranger-key"
    assert api.get("/v1/quota").json() == {
        "shorts": {"limit": 2, "used": 0, "remaining": 2, "retry_after_seconds": 0},
        "longest": {"clip_seconds": 600.0, "short_seconds": 180.0, "reel_seconds": 1800.0},
    }
    assert api.request(**SHORT).status_code == 202
    api.session.headers["Authorization"] = "Bearer admin-key"
    assert [api.request(**SHORT).status_code for _ in range(3)] == [202, 202, 429]


def test_failed_and_cancelled_ones_count(make_api: MakeApi) -> None:
    api = make_api(limits={"shorts_per_day": 1})
    request_id = api.request(**SHORT).json()["request_id"]
    assert api.post(f"/v1/clip/{request_id}/cancel").json()["status"] == "cancelled"
    assert api.request(**SHORT).status_code == 429


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(database_url, connections=8)
    schema.migrate(made)
    yield made
    made.close()


def short(number: int) -> RequestMessage:
    wanted = ClipRequest(
        hand_id="h",
        nas_video_path="/nas/a.mp4",
        start_seconds=1,
        end_seconds=2,
        mode="encode",
        output=Output(aspect="9:16"),
    )
    return RequestMessage.of(wanted, request_id=f"clip-20261120-{number:012d}", owner="web", requested_at=NOW)


def test_no_two_are_the_last_one(database: Database) -> None:
    def ask(number: int) -> bool:
        message = short(number)
        try:
            with database.write() as session:
                ShortsQuota(session, "web", limit=5, now=NOW).take()
                clips.add(session.connection(), [clips.row_of(message)])
        except QuotaExceeded:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        taken = list(threads.map(ask, range(20)))
    assert taken.count(True) == 5


def test_the_day_rolls(database: Database) -> None:
    hours = (0, 1, 5, 20)
    with database.write() as session:
        for number, hour in enumerate(hours):
            row = clips.row_of(short(number)) | {"created_at": NOW + timedelta(hours=hour)}
            clips.add(session.connection(), [row])

    def refusal(hour: float, limit: int) -> tuple[int, int] | None:
        """What the refusal says; what is left before it agrees."""
        now = NOW + timedelta(hours=hour)
        details: QuotaDetails | None = None
        with database.write() as session:
            left = shorts_left(session, "web", limit=limit, now=now)
            try:
                ShortsQuota(session, "web", limit=limit, now=now).take()
            except ShortsUsedUp as refused:
                details = refused.details
        if details is None:
            assert left.remaining != 0
            assert not left.retry_after_seconds
            return None
        said = (left.used, left.remaining, left.retry_after_seconds, left.hours_until_reset)
        assert said == (details.used, 0, details.retry_after_seconds, details.hours_until_reset)
        return details.used, details.retry_after_seconds

    assert refusal(21, 5) is None
    assert refusal(21, 4) == (4, 3 * 3600)
    assert refusal(21, 2) == (4, 8 * 3600)  # not before three of the four are a day old
    assert refusal(23.999, 4) == (4, 4)
    assert refusal(24, 4) is None
    assert refusal(24, 3) == (3, 3600)
    assert refusal(43.9, 1) == (1, 360)
    assert refusal(44, 1) is None
    assert refusal(21, 0) is None
    with database.read() as session:
        left = shorts_left(session, "web", limit=5, now=NOW + timedelta(hours=21))
        assert (left.used, left.remaining, left.hours_until_reset) == (4, 1, 3.0)
        assert left.resets_at == NOW + DAY
        assert shorts_left(session, "web", limit=0, now=NOW).to_json() == '{"limit":0,"used":4}'
    with database.write() as session:
        ShortsQuota(session, "other", limit=1, now=NOW).take()


def test_those_of_one_transaction_count_too(database: Database) -> None:
    with database.write() as session:
        clips.add(session.connection(), [clips.row_of(short(1))])
    with database.write() as session:
        quota = ShortsQuota(session, "web", limit=3, now=NOW + timedelta(hours=1))
        for _ in range(2):
            quota.take()
        for _ in range(2):
            with pytest.raises(ShortsUsedUp) as refused:
                quota.take()
            details = refused.value.details
            assert (details.limit, details.used, details.retry_after_seconds) == (3, 3, 23 * 3600)
