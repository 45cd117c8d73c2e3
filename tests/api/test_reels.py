"""A reel over HTTP: accepted, watched, downloaded and cancelled, with messages as agents send them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from clipping.bus.subscriber import Delivery, Subscription
from clipping.contract.messages import PartProgress
from clipping.contract.reel import ReelMessage, table_of
from clipping.store.layout import output_key
from clipping.store.local import LocalStore
from tests.api.api_process import ADMIN, CLIENT, STRANGER, ApiProcess, emulator_host
from tests.api.conftest import MakeApi
from tests.api.messages import completed, failed, progress
from tests.support.events import EventReader
from tests.support.waiting import eventually

WAITING = [{"index": n, "stage": "waiting", "progress_percent": 0.0} for n in range(2)]
COMPLETED = [{"index": n, "stage": "completed", "progress_percent": 100.0} for n in range(2)]
TITLE = {"title": {"name": "Goal"}}


def accepted(api: ApiProcess, **over: Any) -> dict[str, Any]:
    answer = api.request_reel(**over)
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = answer.json()
    return found


def problem(answer: requests.Response) -> tuple[int, str, str | None]:
    error = answer.json()["error"]
    return answer.status_code, error["code"], error.get("field")


def at(index: int, stage: Any, percent: float) -> PartProgress:
    return PartProgress(index=index, stage=stage, progress_percent=percent)


@contextmanager
def requests_of(api: ApiProcess, subscription: str) -> Iterator[dict[str, Delivery]]:
    """What agents receive, by request."""
    found: dict[str, Delivery] = {}

    def keep(delivery: Delivery) -> None:
        delivery.acknowledge()
        found[delivery.attributes["request_id"]] = delivery

    with emulator_host(api.emulator):
        receiving = Subscription(
            api.config.pubsub.project,
            subscription,
            slots=2,
            handler=keep,
            max_lease_seconds=60,
            thread_name="test-reels",
        )
        receiving.start()
        yield found
        receiving.drain(10)
        receiving.close()


def test_an_accepted_reel_is_described(api: ApiProcess) -> None:
    answer = api.request_reel(metadata={"editor": "ada"}, tsv=True)
    body = answer.json()
    assert answer.status_code == 202
    assert re.fullmatch(r"reel-\d{8}-[0-9a-hjkmnp-tv-z]{12,32}", body["request_id"])
    assert body["status_url"] == f"{api.url}/v1/reel/{body['request_id']}/status"
    assert answer.headers["Location"] == body["status_url"]
    assert (body["reel_id"], body["hand_id"], body["status"], body["mode"]) == (
        "reel-1",
        "reel-1",
        "queued",
        "smart",
    )
    assert body["estimated_duration_sec"] > 0
    assert api.status(body["request_id"]) == {
        "request_id": body["request_id"],
        "kind": "reel",
        "hand_id": "reel-1",
        "reel_id": "reel-1",
        "mode": "smart",
        "status": "queued",
        "stage": "waiting",
        "progress_percent": 0.0,
        "parts": WAITING,
        "resumed_count": 0,
        "metadata": {"editor": "ada"},
        "created_at": body["created_at"],
    }


@pytest.mark.parametrize(
    ("over", "lane"),
    [
        ({}, "interactive"),
        ({"output": {"aspect": "9:16"}}, "batch"),
        ({"priority": "low"}, "batch"),
        ({"priority": "high", "mode": "encode"}, "interactive"),
    ],
)
def test_the_message_is_what_was_requested(api: ApiProcess, over: dict[str, Any], lane: str) -> None:
    bus = api.config.pubsub
    subscription = bus.batch_subscription if lane == "batch" else bus.worker_subscription
    clips = [api.part(effects=TITLE if lane == "batch" and "output" in over else {}), api.part(20, 30)]
    with requests_of(api, subscription) as found:
        request_id = accepted(api, clips=clips, transition={"type": "fade"}, **over)["request_id"]
        delivery = eventually(lambda: found.get(request_id))
    assert (delivery.attributes["lane"], delivery.attributes["priority"]) == (
        lane,
        over.get("priority", "normal"),
    )
    message = ReelMessage.from_json(delivery.data)
    assert (message.owner, message.reel_id, message.transition.type) == ("web", "reel-1", "fade")
    assert [(part.in_seconds, part.out_seconds) for part in message.clips] == [(0, 10), (20, 30)]
    assert table_of(message).count("\n") == 3


def test_progress_of_the_parts_reaches_the_caller(api: ApiProcess) -> None:
    request_id = accepted(api)["request_id"]
    with EventReader(f"{api.url}/v1/reel/{request_id}/events", CLIENT) as reader:
        assert reader.wait("status").data["parts"] == WAITING
        first = [at(0, "cutting", 25)]
        api.send(progress(request_id=request_id, progress_percent=10.0, parts=first))
        eventually(lambda: reader.names.count("status") == 2)
        assert reader.events[-1].data["parts"] == [first[0].model_dump(), WAITING[1]]
        assert api.status(request_id)["parts"] == reader.events[-1].data["parts"]
        # Only the parts change.
        second = [at(0, "completed", 100), at(1, "probing", 0)]
        api.send(progress(request_id=request_id, progress_percent=10.0, seq=2, parts=second))
        assert reader.wait("progress").data["parts"] == [part.model_dump() for part in second]
        api.send(completed(request_id=request_id, hand_id="reel-1"))
        last = reader.wait("completed")
        reader.wait_for_end()
    assert reader.names == ["status", "status", "progress", "completed"]
    assert last.data == api.status(request_id)
    assert (last.data["kind"], last.data["reel_id"], last.data["parts"]) == ("reel", "reel-1", COMPLETED)


def test_the_part_that_failed_is_named(api: ApiProcess) -> None:
    request_id = accepted(api)["request_id"]
    error = {"code": "SOURCE_NOT_FOUND", "message": "clips[1]: there is no file table.mp4", "part": 1}
    api.send(failed(request_id=request_id, hand_id="reel-1", error=error, error_message=error["message"]))
    status = api.wait_for_status(request_id, "failed")
    assert status["error"] == error
    assert "parts" not in status


def test_the_part_that_is_tried_again_is_named(api: ApiProcess) -> None:
    request_id = accepted(api)["request_id"]
    error = {"code": "SOURCE_UNAVAILABLE", "message": "…", "part": 1, "at": "2026-11-20T08:15:30.123Z"}
    api.send(
        progress(request_id=request_id, stage="retrying", last_error=error, parts=[at(0, "completed", 100)])
    )
    status = api.wait_for_status(request_id, "processing")
    assert status["last_error"] == error
    assert status["parts"] == [COMPLETED[0], WAITING[1]]


@pytest.mark.parametrize(
    "parts", [[at(50, "cutting", 1)], [at(-1, "cutting", 1)], [at(n % 50, "cutting", 1) for n in range(51)]]
)
def test_progress_of_impossible_parts_is_stored_aside(api: ApiProcess, parts: list[PartProgress]) -> None:
    before = api.counts()["parked_messages"]
    api.send(progress(request_id=accepted(api)["request_id"], parts=parts))
    assert eventually(lambda: api.counts()["parked_messages"] == before + 1)


def test_a_dead_letter_fails_visibly(api: ApiProcess) -> None:
    with requests_of(api, api.config.pubsub.worker_subscription) as found:
        request_id = accepted(api)["request_id"]
        delivery = eventually(lambda: found.get(request_id))
    attributes = {"CloudPubSubDeadLetterSourceDeliveryCount": "20"}
    api.publish(api.config.pubsub.dead_letter_topic, delivery.data, **attributes)
    status = api.wait_for_status(request_id, "failed")
    assert (status["error"]["code"], status["hand_id"]) == ("LOST", "reel-1")
    assert "no agent could finish this reel" in status["error_message"]


def test_a_reel_and_its_table_are_downloaded(api: ApiProcess, tmp_path: Path) -> None:
    plain, request_id = (accepted(api, tsv=tsv)["request_id"] for tsv in (False, True))
    where = f"/v1/reel/{request_id}/download"
    assert problem(api.get(where))[:2] == problem(api.get(f"{where}?file=tsv"))[:2] == (409, "NOT_READY")
    path = api.config.storage.path
    assert path is not None
    store = LocalStore(Path(path), public_url=api.url)
    for name, content in (("mp4", b"r" * 5000), ("tsv", b"start_time\n")):
        (tmp_path / name).write_bytes(content)
        kind = "video/mp4" if name == "mp4" else "text/tab-separated-values"
        store.create(
            output_key(request_id, "reel-1", name, short=False),
            tmp_path / name,
            content_type=kind,
            metadata={},
        )
    uri = store.uri(output_key(request_id, "reel-1", "mp4", short=False))
    for each in (plain, request_id):
        api.send(completed(request_id=each, hand_id="reel-1", output_uri=uri.replace(request_id, each)))
        api.wait_for_status(each, "completed")

    video, table = (api.get(f"{where}{query}").json() for query in ("", "?file=tsv"))
    assert (
        set(video)
        == set(table)
        == {
            "request_id",
            "hand_id",
            "download_url",
            "expires_at",
            "file_size_bytes",
        }
    )
    assert (video["file_size_bytes"], table["file_size_bytes"]) == (5000, 11)
    assert api.get(f"{where}?file=video").json()["file_size_bytes"] == 5000
    for link, name in ((video, "reel-1.mp4"), (table, "reel-1.tsv")):
        file = requests.get(link["download_url"], timeout=30)
        assert (file.status_code, len(file.content)) == (200, link["file_size_bytes"])
        assert file.headers["Content-Disposition"] == f"attachment; filename={name}"

    assert problem(api.get(f"{where}?file=srt")) == (400, "INVALID_REQUEST", "file")
    assert problem(api.get(f"{where}?files=tsv")) == (400, "INVALID_REQUEST", "files")
    assert problem(api.get(f"/v1/reel/{plain}/download?file=tsv"))[:2] == (404, "NOT_FOUND")
    gone = api.get(f"/v1/reel/{plain}/download")
    assert problem(gone)[:2] == (410, "EXPIRED")
    assert gone.json()["error"]["message"].startswith("the reel was deleted")


def test_a_queued_reel_is_cancelled_at_once(api: ApiProcess) -> None:
    request_id = accepted(api)["request_id"]
    answer = api.post(f"/v1/reel/{request_id}/cancel")
    assert (answer.status_code, answer.json()["status"], answer.json()["kind"]) == (202, "cancelled", "reel")
    again = api.post(f"/v1/reel/{request_id}/cancel")
    assert problem(again)[:2] == (409, "ALREADY_FINISHED")
    assert again.json()["error"]["message"] == "nothing to cancel: the reel is cancelled"


def test_a_clip_is_no_reel_and_a_reel_no_clip(api: ApiProcess) -> None:
    reel, clip = accepted(api)["request_id"], api.request().json()["request_id"]
    for wrong in (f"/v1/clip/{reel}", f"/v1/reel/{clip}"):
        for what in ("status", "events", "download"):
            assert problem(api.get(f"{wrong}/{what}"))[:2] == (404, "NOT_FOUND")
        assert problem(api.get(f"{wrong}/status", headers={"If-None-Match": "*"}))[:2] == (404, "NOT_FOUND")
        assert problem(api.post(f"{wrong}/cancel"))[:2] == (404, "NOT_FOUND")
    stranger = {"Authorization": f"Bearer {STRANGER}"}
    assert problem(api.get(f"/v1/reel/{reel}/status", headers=stranger))[:2] == (404, "NOT_FOUND")
    admin = {"Authorization": f"Bearer {ADMIN}"}
    assert api.get(f"/v1/reel/{reel}/status", headers=admin).status_code == 200
    tag = api.get(f"/v1/reel/{reel}/status").headers["ETag"]
    assert api.get(f"/v1/reel/{reel}/status", headers={"If-None-Match": tag}).status_code == 304


def test_a_repeated_request_makes_one_reel(api: ApiProcess) -> None:
    body = {"reel_id": "reel-1", "clips": [api.part()]}
    first, second = (
        api.post("/v1/reel/request", json=body, headers={"Idempotency-Key": "reel-key"}) for _ in range(2)
    )
    assert (first.status_code, second.status_code) == (202, 200)
    assert first.json() == second.json()
    changed = {**body, "reel_id": "reel-2"}
    third = api.post("/v1/reel/request", json=changed, headers={"Idempotency-Key": "reel-key"})
    assert problem(third)[:2] == (409, "IDEMPOTENCY_CONFLICT")


def test_a_list_has_both_kinds_or_one(either_api: ApiProcess) -> None:
    reel = accepted(either_api, reel_id="both")["request_id"]
    clip = either_api.request(hand_id="both").json()["request_id"]
    for query, expected in (({}, [clip, reel]), ({"kind": "reel"}, [reel]), ({"kind": "clip"}, [clip])):
        page = either_api.get("/v1/clips", params={"hand_id": "both", **query}).json()["clips"]
        assert [(each["request_id"], each["kind"]) for each in page] == [(id, id[:4]) for id in expected]


def test_upright_reels_are_outside_the_quota(make_api: MakeApi) -> None:
    api = make_api(limits={"shorts_per_day": 1, "max_reel_seconds": 30})
    upright = {"aspect": "9:16"}
    for _ in range(2):
        accepted(api, output=upright)
    assert api.request(output=upright).status_code == 202
    assert problem(api.request(output=upright))[:2] == (429, "QUOTA_EXCEEDED")
    accepted(api, output=upright)
    # A short may have 180 s, and this reel 30 s.
    assert problem(api.request_reel(clips=[api.part(0, 31)])) == (400, "INVALID_REQUEST", "clips")


def test_only_clients_request_reels(api: ApiProcess) -> None:
    answer = requests.post(f"{api.url}/v1/reel/request", json={}, timeout=30)
    assert problem(answer)[:2] == (401, "UNAUTHORIZED")


SLOW_PART = {"segments": [{"start": 0, "end": 12, "speed": 0.5}]}
WRONG: list[tuple[str, dict[str, Any], str, str]] = [
    (
        "a part shorter than its dissolves",
        {"clips": [(0, 10), (20, 21.5), (30, 40)], "transition": {"type": "dissolve", "duration": 1}},
        "clips[1]",
        "clips[1] is 1.5 s long, and a dissolve of 1 s at both ends needs 2 s: make the part longer, "
        "or transition.duration shorter",
    ),
    (
        "overlapping parts",
        {"clips": [(0, 10), (20, 30), (5, 15)]},
        "clips[2]",
        "clips[2] overlaps clips[0]: change its start_seconds or end_seconds, or set allow_overlaps to true",
    ),
    (
        "an unknown transition",
        {"transition": {"type": "wipe"}},
        "transition.type",
        "transition.type must be 'cut', 'fade' or 'dissolve'",
    ),
    (
        "51 parts",
        {"clips": [(n, n + 1) for n in range(51)]},
        "clips",
        "clips must be a list of 1 to 50 parts",
    ),
    ("no parts", {"clips": []}, "clips", "clips must be a list of 1 to 50 parts"),
    ("clips left out", {"clips": None}, "clips", "clips is required"),
    (
        "wrong effects",
        {"clips": [(0, 1), (2, 3), (4, 5), {"effects": SLOW_PART}]},
        "clips[3].effects.segments[0].end",
        "clips[3].effects.segments[0].end must be at most 10, the length of the clip in seconds",
    ),
    (
        "a path outside the recordings' folders",
        {"clips": [(0, 1), (2, 3), {"nas_video_path": "/etc/passwd"}]},
        "clips[2].nas_video_path",
        "clips[2].nas_video_path must be a file inside one of the folders that recordings are kept in",
    ),
    (
        "copy with a dissolve",
        {"mode": "copy", "transition": {"type": "dissolve"}},
        "mode",
        "mode must be smart or encode, or left out, with a dissolve: copied frames can't be changed",
    ),
    (
        "a part that is too long",
        {"clips": [(0, 601)]},
        "clips[0].end_seconds",
        "clips[0] would be 601 s long; the longest allowed is 600 s: choose a later start_seconds, an "
        "earlier end_seconds or higher speeds",
    ),
    (
        "a reel that is too long",
        {"clips": [(1000 * n, 1000 * n + 500) for n in range(4)]},
        "clips",
        "the reel would be 2000 s long; the longest allowed is 1800 s: leave out parts, or make them shorter",
    ),
    ("no reel_id", {"reel_id": None}, "reel_id", "reel_id is required"),
]


def body_of(api: ApiProcess, over: dict[str, Any]) -> dict[str, Any]:
    """The fields of a bad request: parts are given as their times, or by what is wrong with them."""
    if not over.get("clips"):
        return over
    parts = [
        api.part(**{"start": 900, "end": 910, **each}) if isinstance(each, dict) else api.part(*each)
        for each in over["clips"]
    ]
    return {**over, "clips": parts}


@pytest.mark.parametrize(("over", "field", "message"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG])
def test_a_wrong_reel_is_refused_with_the_reason(
    api: ApiProcess, over: dict[str, Any], field: str, message: str
) -> None:
    before = api.counts()
    answer = api.request_reel(**body_of(api, over))
    assert problem(answer) == (400, "INVALID_REQUEST", field)
    assert answer.json()["error"]["message"] == message
    assert api.counts() == before
