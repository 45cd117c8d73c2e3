"""`Idempotency-Key`: one call, however often it arrives."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
import requests
from sqlalchemy import select

from api.clips.idempotency import repeat_of
from api.db.tables import IdempotencyKey
from clipping.errors import InvalidRequest
from tests.api.api_process import CLIENT, STRANGER, ApiProcess


def ask(api: ApiProcess, key: str, *, who: str = CLIENT, **over: Any) -> requests.Response:
    """A session of its own: this is called by many threads."""
    body = {
        "hand_id": "hand-1",
        "nas_video_path": f"{api.root}/table.mp4",
        "start_seconds": 1,
        "end_seconds": 31,
        **over,
    }
    headers = {"Authorization": f"Bearer {who}", "Idempotency-Key": key}
    return requests.post(f"{api.url}/v1/clip/request", json=body, headers=headers, timeout=60)


def batch(api: ApiProcess, key: str, *paths: str) -> requests.Response:
    clips = [
        {"hand_id": "h", "nas_video_path": f"{api.root}/{path}", "start_seconds": 1, "end_seconds": 2}
        for path in paths
    ]
    return api.post("/v1/clip/batch", json={"clips": clips}, headers={"Idempotency-Key": key})


def refused(answer: requests.Response) -> tuple[int, str, str]:
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["field"]


def test_the_same_call_again_gets_the_first_answer(either_api: ApiProcess) -> None:
    before = either_api.counts()
    first, again = ask(either_api, "k-1"), ask(either_api, "k-1")
    assert (first.status_code, again.status_code) == (202, 200)
    assert again.content == first.content
    assert again.headers["Location"] == first.headers["Location"]
    assert either_api.counts()["requests"] == before["requests"] + 1


def test_another_body_is_a_conflict_that_changes_nothing(either_api: ApiProcess) -> None:
    first = ask(either_api, "k-2").json()["request_id"]
    before = either_api.counts()
    assert refused(ask(either_api, "k-2", end_seconds=30)) == (409, "IDEMPOTENCY_CONFLICT", "Idempotency-Key")
    assert refused(batch(either_api, "k-2", "a.mp4"))[:2] == (409, "IDEMPOTENCY_CONFLICT")
    assert either_api.counts()["requests"] == before["requests"]
    assert ask(either_api, "k-2").json()["request_id"] == first


def test_how_the_body_is_written_does_not_matter(either_api: ApiProcess) -> None:
    path = f"{either_api.root}/table.mp4"
    bodies = [
        f'{{"hand_id": "h", "nas_video_path": "{path}", "start_seconds": 1, "end_seconds": 2}}',
        f'{{"end_seconds":2,"start_seconds":1,"nas_video_path":"{path}","hand_id":"\\u0068"}}',
    ]
    headers = {"Content-Type": "application/json", "Idempotency-Key": "k-3"}
    answers = [either_api.post("/v1/clip/request", data=body, headers=headers) for body in bodies]
    assert [answer.status_code for answer in answers] == [202, 200]
    assert answers[0].content == answers[1].content


def test_keys_are_separate_for_each_caller(either_api: ApiProcess) -> None:
    mine, theirs = ask(either_api, "k-4"), ask(either_api, "k-4", who=STRANGER)
    assert (mine.status_code, theirs.status_code) == (202, 202)
    assert mine.json()["request_id"] != theirs.json()["request_id"]


def test_a_refused_request_does_not_use_the_key_up(either_api: ApiProcess) -> None:
    assert ask(either_api, "k-5", end_seconds=0).status_code == 400
    assert ask(either_api, "k-5").status_code == 202


def test_a_key_is_free_again_after_a_day(either_api: ApiProcess) -> None:
    first = ask(either_api, "k-6")
    with either_api.database() as database, database.write() as session:
        kept = session.scalars(select(IdempotencyKey).where(IdempotencyKey.key == "k-6")).one()
        kept.created_at -= timedelta(hours=24, minutes=1)
    second = ask(either_api, "k-6", end_seconds=20)
    assert (first.status_code, second.status_code) == (202, 202)
    assert ask(either_api, "k-6", end_seconds=20).content == second.content


def test_a_batch_is_repeated_as_a_whole(either_api: ApiProcess) -> None:
    before = either_api.counts()["requests"]
    first, again = (batch(either_api, "k-7", "a.mp4", "b.mp4") for _ in range(2))
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.content == again.content
    assert either_api.counts()["requests"] == before + 2


def test_one_of_many_concurrent_calls_wins(either_api: ApiProcess) -> None:
    before = either_api.counts()["requests"]
    answers: list[requests.Response] = []
    start = threading.Barrier(24)

    def call(number: int) -> None:
        start.wait(60)
        answers.append(ask(either_api, f"many-{number % 2}"))

    threads = [threading.Thread(target=call, args=(n,), name=f"call-{n}") for n in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(answer.status_code for answer in answers) == [200] * 22 + [202] * 2
    assert len({answer.content for answer in answers}) == 2
    assert either_api.counts()["requests"] == before + 2


@pytest.mark.parametrize("key", ["", " ", "a b", "a\tb", "é", "x" * 256, "a\x7f"])
def test_an_invalid_key_is_refused(key: str) -> None:
    with pytest.raises(InvalidRequest, match="Idempotency-Key must be"):
        repeat_of(key, owner="web", path="/", body={})


def test_a_key_may_be_any_visible_ascii() -> None:
    for key in ("x", "x" * 255, "!~", "9f0c8d1e-5f5b-4c1e-9a37-0d6a0f3f2f10"):
        assert repeat_of(key, owner="web", path="/", body={}) is not None
    assert repeat_of(None, owner="web", path="/", body={}) is None
