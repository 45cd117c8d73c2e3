"""Requests that are made again."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
import requests
from sqlalchemy import update

from api.db import clips
from api.db.tables import Clip
from clipping.store.layout import output_key
from tests.api.api_process import ADMIN, STRANGER, ApiProcess
from tests.api.clips.test_cancel import store_of
from tests.api.conftest import MakeApi
from tests.api.messages import completed, failed, progress

SHORT = {"output": {"aspect": "9:16"}}
EFFECTS = {
    "segments": [{"start": 0, "end": 5, "speed": 0.5}],
    "title": {"name": "Goal"},
    "captions": {"format": "srt", "text": "1\n00:00:01,000 --> 00:00:02,000\nCalled!\n"},
}


def retry(api: ApiProcess, request_id: str, **headers: str) -> requests.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return api.post(f"/v1/{request_id.partition('-')[0]}/{request_id}/retry", headers=named)


def code(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def cancelled(api: ApiProcess, **over: Any) -> str:
    request_id = str(api.request(**over).json()["request_id"])
    assert api.post(f"/v1/clip/{request_id}/cancel").status_code == 202
    return request_id


def stored(api: ApiProcess, request_id: str) -> Clip:
    with api.database() as database, database.read() as session:
        found = clips.find(session, request_id)
    assert found is not None
    return found


@pytest.mark.parametrize("end", ["failed", "cancelled"])
def test_the_same_is_requested_again(either_api: ApiProcess, end: str) -> None:
    asked = {"hand_id": "again", "priority": "low", "pre_roll_seconds": 0.5, "metadata": {"table": "7"}}
    request_id = str(either_api.request(**asked, effects=EFFECTS).json()["request_id"])
    if end == "failed":
        either_api.send(failed(request_id=request_id))
    else:
        either_api.post(f"/v1/clip/{request_id}/cancel")
    before = either_api.wait_for_status(request_id, end)
    answer = retry(either_api, request_id)
    body = answer.json()
    new_id = body["request_id"]
    assert (answer.status_code, body["status"], body["retry_of"]) == (202, "queued", request_id)
    assert answer.headers["Location"] == body["status_url"]
    assert body["status_url"].endswith(f"/v1/clip/{new_id}/status")
    status = either_api.status(new_id)
    assert (status["status"], status["retry_of"], status["metadata"]) == (
        "queued",
        request_id,
        {"table": "7"},
    )
    assert either_api.status(request_id) == before | {"retried_as": new_id}
    old, new = stored(either_api, request_id), stored(either_api, new_id)
    assert (new.spec, new.lane, new.mode, new.short) == (old.spec, old.lane, old.mode, old.short)
    assert new.revision == 1
    either_api.send(completed(request_id=new_id))
    either_api.wait_for_status(new_id, "completed")


def test_a_reel_is_requested_again(either_api: ApiProcess) -> None:
    parts = [either_api.part(title="One", effects={"title": {"name": "x"}}), either_api.part(20, 30)]
    transition = {"type": "dissolve", "duration": 1}
    asked = either_api.request_reel(clips=parts, transition=transition, tsv=True)
    request_id = str(asked.json()["request_id"])
    assert code(retry(either_api, request_id)) == (409, "NOT_FINISHED")
    either_api.post(f"/v1/reel/{request_id}/cancel")
    body = retry(either_api, request_id).json()
    assert (body["reel_id"], body["retry_of"]) == ("reel-1", request_id)
    assert stored(either_api, body["request_id"]).spec == stored(either_api, request_id).spec
    assert code(either_api.post(f"/v1/clip/{request_id}/retry")) == (404, "NOT_FOUND")


def test_only_what_has_ended_without_a_result(either_api: ApiProcess) -> None:
    request_id = str(either_api.request().json()["request_id"])
    assert code(retry(either_api, request_id)) == (409, "NOT_FINISHED")
    either_api.send(progress(request_id=request_id))
    either_api.wait_for_status(request_id, "processing")
    assert code(retry(either_api, request_id)) == (409, "NOT_FINISHED")
    store, file = store_of(either_api), either_api.folder / "clip.mp4"
    file.write_bytes(b"video")
    key = output_key(request_id, "hand-1", "mp4", short=False)
    store.create(key, file, content_type="video/mp4", metadata={})
    either_api.send(completed(request_id=request_id, output_uri=store.uri(key)))
    either_api.wait_for_status(request_id, "completed")
    before = either_api.counts()["requests"]
    assert code(retry(either_api, request_id)) == (409, "ALREADY_FINISHED")
    assert either_api.counts()["requests"] == before
    with either_api.database() as database, database.write() as session:
        old = stored(either_api, request_id).created_at - timedelta(days=31)
        session.execute(update(Clip).where(Clip.request_id == request_id).values(stored_at=old))
    assert code(either_api.get(f"/v1/clip/{request_id}/status")) == (410, "EXPIRED")
    assert retry(either_api, request_id).status_code == 202


def test_a_key_makes_one_retry_of_many_calls(either_api: ApiProcess) -> None:
    request_id = cancelled(either_api)
    before = either_api.counts()["requests"]
    answers: list[requests.Response] = []
    threads = [
        threading.Thread(target=lambda: answers.append(retry(either_api, request_id, Idempotency_Key="r-1")))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [202]
    assert len({answer.content for answer in answers}) == 1
    assert either_api.counts()["requests"] == before + 1
    other = cancelled(either_api)
    assert code(retry(either_api, other, Idempotency_Key="r-1")) == (409, "IDEMPOTENCY_CONFLICT")


def test_the_newest_retry_is_named(either_api: ApiProcess) -> None:
    request_id = cancelled(either_api)
    first, second = (retry(either_api, request_id).json()["request_id"] for _ in range(2))
    assert first != second
    assert either_api.status(request_id)["retried_as"] == second


def test_an_administrator_retries_for_the_owner(either_api: ApiProcess) -> None:
    request_id = cancelled(either_api)
    stranger, admin = ({"Authorization": f"Bearer {who}"} for who in (STRANGER, ADMIN))
    assert code(retry(either_api, request_id, **stranger)) == (404, "NOT_FOUND")
    new_id = retry(either_api, request_id, **admin).json()["request_id"]
    assert stored(either_api, new_id).owner == "web"
    assert either_api.status(new_id)["retry_of"] == request_id


def test_the_configuration_of_now_decides(make_api: MakeApi) -> None:
    api = make_api()
    ids = cancelled(api), cancelled(api, nas_video_path=f"{api.root}/2/a.mp4")
    reel = str(api.request_reel().json()["request_id"])
    api.post(f"/v1/reel/{reel}/cancel")
    api.stop()
    api.tree["limits"] |= {"max_clip_seconds": 20, "max_reel_seconds": 15}
    api.start()
    refused = retry(api, ids[0])
    assert (*code(refused), refused.json()["error"]["field"]) == (400, "INVALID_REQUEST", "end_seconds")
    assert retry(api, reel).json()["error"]["field"] == "clips"
    api.stop()
    api.tree["limits"] |= {"max_clip_seconds": 600, "max_reel_seconds": 1800}
    api.tree["agent"]["nas_roots"] = [{"path": f"{api.root}/2"}]
    api.start()
    refused = retry(api, ids[0])
    assert (*code(refused), refused.json()["error"]["field"]) == (400, "INVALID_REQUEST", "nas_video_path")
    assert retry(api, reel).json()["error"]["field"] == "clips[0].nas_video_path"
    assert retry(api, ids[1]).status_code == 202


def test_retries_count_against_the_quota_of_the_owner(make_api: MakeApi) -> None:
    api = make_api(limits={"shorts_per_day": 2})
    request_id = cancelled(api, **SHORT)
    admin = {"Authorization": f"Bearer {ADMIN}"}
    assert retry(api, request_id, **admin).status_code == 202
    assert code(retry(api, request_id, **admin)) == (429, "QUOTA_EXCEEDED")
    assert api.get("/v1/quota").json()["shorts"]["remaining"] == 0
