"""Many clips in one call: the good ones go through, the bad ones say why."""

from __future__ import annotations

import json
import re
import secrets
from typing import Any

import pytest
import requests

from tests.api.api_process import ApiProcess
from tests.api.conftest import MakeApi
from tests.api.workers import Workers
from tests.support.waiting import eventually

BAD_BATCHES: list[tuple[Any, str | None]] = [
    ([], None),
    ("x", None),
    ({}, "clips"),
    ({"clips": []}, "clips"),
    ({"clips": {}}, "clips"),
    ({"clips": None}, "clips"),
    ({"clips": "x"}, "clips"),
    ({"clips": [{}] * 101}, "clips"),
    ({"clips": [{}], "more": 1}, "more"),
    ({"clips": [{}]}, "clips[0].hand_id"),
    ({"clips": [None]}, "clips[0]"),
    ({"clips": [[]]}, "clips[0]"),
]


def clip(api: ApiProcess, **over: Any) -> dict[str, Any]:
    path = f"{api.root}/table.mp4"
    return {"hand_id": "hand-1", "nas_video_path": path, "start_seconds": 1, "end_seconds": 31, **over}


def send(api: ApiProcess, *clips: Any) -> requests.Response:
    return api.post("/v1/clip/batch", json={"clips": list(clips)})


def test_good_and_bad_ones_are_answered_in_their_order(either_api: ApiProcess) -> None:
    answer = send(
        either_api,
        clip(either_api, client_item_id="first"),
        clip(either_api, client_item_id="bad", end_seconds=0),
        "not even an object",
        clip(either_api),
        clip(either_api, client_item_id="", hand_id="x"),
        clip(either_api, client_item_id="first", end_second=3),
    )
    body = answer.json()
    assert answer.status_code == 202
    assert re.fullmatch(r"batch-\d{8}-[0-9a-hjkmnp-tv-z]{12,}", body["batch_id"])
    ids = [item.get("request_id") for item in body["items"]]
    assert [id is not None for id in ids] == [True, False, False, True, False, False]
    assert [item.get("client_item_id") for item in body["items"]] == [
        "first",
        "bad",
        None,
        None,
        None,
        "first",
    ]
    errors = [item.get("error") for item in body["items"]]
    assert [error and (error["code"], error.get("field")) for error in errors] == [
        None,
        ("INVALID_REQUEST", "end_seconds"),
        ("INVALID_REQUEST", None),
        None,
        ("INVALID_REQUEST", "client_item_id"),
        ("INVALID_REQUEST", "end_second"),
    ]
    for request_id in (ids[0], ids[3]):
        assert either_api.status(request_id)["status"] == "queued"


def test_all_of_them_reach_the_agents(make_api: MakeApi) -> None:
    api = make_api()
    with Workers(api) as workers:
        items = send(api, *(clip(api, mode=("copy", "encode")[n % 2]) for n in range(100))).json()["items"]
        ids = {item["request_id"] for item in items}
        assert len(ids) == 100
        for request_id in ids:
            api.wait_for_status(request_id, "completed")
        assert dict(workers.seen) == dict.fromkeys(ids, 1)
    assert eventually(lambda: api.counts()["outbox"] == 0)


def test_when_none_is_valid_the_first_reason_is_returned(either_api: ApiProcess) -> None:
    before = either_api.counts()["requests"]
    answer = send(either_api, clip(either_api, end_seconds=0), clip(either_api, hand_id="/"))
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, "INVALID_REQUEST")
    assert error["field"] == "clips[0].end_seconds"
    assert "end_seconds must be greater than start_seconds" in error["message"]
    assert either_api.counts()["requests"] == before


@pytest.mark.parametrize(("body", "field"), BAD_BATCHES, ids=str)
def test_an_invalid_batch_is_refused(either_api: ApiProcess, body: Any, field: str | None) -> None:
    error = either_api.post("/v1/clip/batch", json=body).json()["error"]
    assert (error["code"], error.get("field")) == ("INVALID_REQUEST", field)


FLAWS: list[tuple[str, str | None]] = [
    ("NaN", None),
    ('"\\ud800"', None),
    ('{"hand_id": "h", "metadata": {"a": "\\ud800"}}', "metadata.a"),
    ('{"hand_id": "h", "start_seconds": 1e999}', "start_seconds"),
    ('{"hand_id": "h", "output": {"fps": -Infinity}}', "output.fps"),
    ('{"hand_id": "h", "output": {"fps": 1, "fps": 2}}', "output.fps"),
    ('{"hand_id": "h", "client_item_id": NaN}', "client_item_id"),
    ('{"\\ud800": "h"}', None),
]


@pytest.mark.parametrize(("flawed", "field"), FLAWS)
def test_an_invalid_clip_does_not_affect_the_others(
    either_api: ApiProcess, flawed: str, field: str | None
) -> None:
    good = json.dumps(clip(either_api))
    headers = {"Content-Type": "application/json", "Idempotency-Key": f"flaw-{secrets.token_hex(4)}"}
    data = f'{{"clips": [{good}, {flawed}]}}'
    first, again = (either_api.post("/v1/clip/batch", data=data, headers=headers) for _ in range(2))
    assert (first.status_code, again.status_code) == (202, 200), first.text
    assert first.content == again.content
    accepted, refused = first.json()["items"]
    assert accepted["request_id"]
    assert (refused["error"]["code"], refused["error"].get("field")) == ("INVALID_REQUEST", field)
    alone = either_api.post(
        "/v1/clip/batch",
        data=f'{{"clips": [{flawed}]}}',
        headers=headers | {"Idempotency-Key": f"alone-{secrets.token_hex(4)}"},
    )
    assert alone.status_code == 400
    assert alone.json()["error"]["field"] == ("clips[0]" if field is None else f"clips[0].{field}")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ('{"clips": [{}], "clips": [{}]}', "clips"),
        ('{"clips": NaN}', "clips"),
        ('{"clips": [{}], "more": {"a": NaN}}', "more.a"),
        ('{"clips": [{}], "\\ud800": 1}', None),
        ("NaN", None),
    ],
)
def test_a_flaw_around_them_is_one_of_all(either_api: ApiProcess, body: str, field: str | None) -> None:
    headers = {"Content-Type": "application/json", "Idempotency-Key": "flaw-around"}
    answer = either_api.post("/v1/clip/batch", data=body, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"].get("field") == field


def test_a_quota_ends_within_a_batch(make_api: MakeApi) -> None:
    api = make_api(limits={"shorts_per_day": 2})
    short = clip(api, output={"aspect": "9:16"})
    items = send(api, short, clip(api), short, short, short).json()["items"]
    codes = [item.get("error", {}).get("code") for item in items]
    assert codes == [None, None, None, "QUOTA_EXCEEDED", "QUOTA_EXCEEDED"]
    assert [items[3]["error"]["details"][name] for name in ("limit", "used")] == [2, 2]
    none = send(api, short)
    assert (none.status_code, none.json()["error"]["code"]) == (429, "QUOTA_EXCEEDED")
    assert none.json()["error"]["details"]["used"] == 2
    assert int(none.headers["Retry-After"]) > 0
    assert api.counts()["requests"] == 3
