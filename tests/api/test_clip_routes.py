"""A request's life over HTTP, with messages as agents send them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from clipping.bus.subscriber import Delivery, Subscription
from clipping.clock import rfc3339
from clipping.contract.messages import RequestMessage
from clipping.store.layout import output_key
from clipping.store.local import LocalStore
from tests.api.api_process import ADMIN, STRANGER, ApiProcess, emulator_host
from tests.api.conftest import MakeApi
from tests.api.messages import completed, failed, progress
from tests.support.waiting import eventually

Z_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def accepted(api: ApiProcess, **over: Any) -> dict[str, Any]:
    answer = api.request(**over)
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = answer.json()
    return found


def code(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def store_of(api: ApiProcess) -> LocalStore:
    path = api.config.storage.path
    assert path is not None
    return LocalStore(Path(path), public_url=api.url)


def test_the_mode_of_a_request_that_names_none_is_configured(make_api: MakeApi) -> None:
    api = make_api(cutting={"default_mode": "smart"})
    assert accepted(api)["mode"] == "smart"
    assert accepted(api, mode="copy")["mode"] == "copy"
    assert accepted(api, output_quality="medium")["mode"] == "encode"


def test_an_accepted_request_is_described(api: ApiProcess) -> None:
    answer = api.request(metadata={"table": "7"})
    body = answer.json()
    assert answer.status_code == 202
    assert re.fullmatch(r"clip-\d{8}-[0-9a-hjkmnp-tv-z]{12,32}", body["request_id"])
    assert body["status_url"] == f"{api.url}/v1/clip/{body['request_id']}/status"
    assert answer.headers["Location"] == body["status_url"]
    assert Z_TIME.fullmatch(body["created_at"])
    assert set(body) == {
        "request_id",
        "hand_id",
        "status",
        "mode",
        "estimated_duration_sec",
        "queue_position",
        "created_at",
        "status_url",
    }
    assert (body["hand_id"], body["status"], body["mode"]) == ("hand-1", "queued", "copy")
    assert api.status(body["request_id"]) == {
        "request_id": body["request_id"],
        "kind": "clip",
        "hand_id": "hand-1",
        "source": {"path": f"{api.root}/table.mp4"},
        "requested": {"start": 1.0, "end": 31.0},
        "mode": "copy",
        "status": "queued",
        "stage": "waiting",
        "progress_percent": 0.0,
        "resumed_count": 0,
        "metadata": {"table": "7"},
        "created_at": body["created_at"],
    }


def test_a_request_goes_to_its_lane_with_its_trace(api: ApiProcess) -> None:
    found: dict[str, Delivery] = {}

    def keep(delivery: Delivery) -> None:
        delivery.acknowledge()
        found[delivery.attributes["request_id"]] = delivery

    bus = api.config.pubsub
    subscription = Subscription(
        bus.project,
        bus.batch_subscription,
        slots=2,
        handler=keep,
        max_lease_seconds=60,
        thread_name="test-batch",
    )
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    api.session.headers["traceparent"] = trace
    crop = {"x": 1.5, "y": 0, "width": 607.5, "height": 1080}
    effects = {"crop_keyframes": [{"frame": 0, "origin": "user", **crop}], "trimRange": {"end": "0:20"}}
    body = accepted(api, effects=effects, priority="normal", metadata={"a": "ä"})
    del api.session.headers["traceparent"]
    # Other tests of this process may have made another broker the default since.
    with emulator_host(api.emulator):
        subscription.start()
        delivery = eventually(lambda: found.get(body["request_id"]))
        subscription.drain(10)
        subscription.close()
    assert dict(delivery.attributes) == {
        "request_id": body["request_id"],
        "lane": "batch",
        "priority": "normal",
        "traceparent": trace,
    }
    message = RequestMessage.from_json(delivery.data)
    assert (message.owner, message.hand_id, message.metadata) == ("web", "hand-1", {"a": "ä"})
    assert (message.in_seconds, message.out_seconds, message.mode) == (1.0, 21.0, "encode")
    framing = {"keyframes": [{"frame": 0, **crop}], "interpolation": "spline"}
    assert message.effects.asked() == {"framing": framing}
    assert eventually(lambda: api.counts()["outbox"] == 0)


def test_progress_and_completion_reach_the_caller(api: ApiProcess) -> None:
    request_id = accepted(api, metadata={"k": "v"})["request_id"]
    api.send(progress(request_id=request_id, stage="cutting", progress_percent=40.0))
    during = api.wait_for_status(request_id, "processing")
    assert (during["stage"], during["progress_percent"], during["agent_id"]) == ("cutting", 40.0, "nas-1")
    assert Z_TIME.fullmatch(during["started_at"])
    end = completed(request_id=request_id, completed_at=datetime.now(UTC) + timedelta(seconds=30))
    api.send(end)
    after = api.wait_for_status(request_id, "completed")
    assert "stage" not in after
    assert "error" not in after
    assert after["metadata"] == {"k": "v"}
    assert after["progress_percent"] == 100.0
    assert after["output_gcs_path"] == end.output_gcs_path
    assert after["report"]["video"] == {"codec": "h264", "width": 1920, "height": 1080, "fps": 25.0}
    assert after["completed_at"] == rfc3339(end.completed_at)
    assert after["started_at"] == during["started_at"]
    assert eventually(lambda: api.get("/health").json()["status"] == "healthy")


def test_no_clip_ends_before_it_begins(api: ApiProcess) -> None:
    request_id = accepted(api)["request_id"]
    ended = datetime.now(UTC)
    api.send(progress(request_id=request_id))  # arrives too late
    api.wait_for_status(request_id, "processing")
    api.send(failed(request_id=request_id, completed_at=ended))
    status = api.wait_for_status(request_id, "failed")
    assert status["started_at"] == status["completed_at"] == rfc3339(ended)


def test_a_failure_says_why(api: ApiProcess) -> None:
    request_id = accepted(api)["request_id"]
    api.send(failed("SOURCE_CORRUPT", request_id=request_id))
    status = api.wait_for_status(request_id, "failed")
    assert status["error"] == {"code": "SOURCE_CORRUPT", "message": "the recording can't be read"}
    assert status["error_message"] == "the recording can't be read"
    answer = api.get(f"/v1/clip/{request_id}/download")
    assert code(answer) == (409, "NOT_READY")
    assert "failed" in answer.json()["error"]["message"]


def test_a_dead_letter_fails_visibly(api: ApiProcess) -> None:
    request_id = accepted(api)["request_id"]
    message = RequestMessage(
        request_id=request_id,
        owner="web",
        requested_at=datetime(2026, 11, 20, tzinfo=UTC),
        hand_id="hand-1",
        nas_video_path="/nas/a.mp4",
        start_seconds=1.0,
        end_seconds=2.0,
    )
    attributes = {"CloudPubSubDeadLetterSourceDeliveryCount": "20"}
    api.publish(api.config.pubsub.dead_letter_topic, message.to_json(), **attributes)
    status = api.wait_for_status(request_id, "failed")
    assert status["error"]["code"] == "LOST"
    assert "20 attempts" in status["error_message"]
    assert status["attempt"] == 20


def test_what_cannot_be_read_is_stored_aside_and_the_next_is_served(api: ApiProcess) -> None:
    before = api.counts()["parked_messages"]
    bus = api.config.pubsub
    for topic in (bus.complete_topic, bus.progress_topic, bus.dead_letter_topic):
        api.publish(topic, b"\xff not JSON", some="attribute")
    huge = progress(attempt=1).model_copy(update={"attempt": 2**70})
    api.publish(bus.progress_topic, huge.to_json())
    api.publish(bus.complete_topic, completed().to_json().replace(b'"fps":25.0', b'"fps":NaN'))
    api.send(completed(request_id="clip-20261120-000000000000"))  # unknown request: logged, not stored
    request_id = accepted(api)["request_id"]
    api.send(completed(request_id=request_id))
    api.wait_for_status(request_id, "completed")
    assert eventually(lambda: api.counts()["parked_messages"] == before + 5)


def test_a_download_is_signed_afresh_and_expires_in_days(api: ApiProcess, tmp_path: Path) -> None:
    request_id = accepted(api)["request_id"]
    assert code(api.get(f"/v1/clip/{request_id}/download")) == (409, "NOT_READY")
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"c" * 5000)
    key = output_key(request_id, "hand-1", "mp4", short=False)
    store = store_of(api)
    store.create(key, clip, content_type="video/mp4", metadata={})
    api.send(completed(request_id=request_id, output_uri=store.uri(key)))
    api.wait_for_status(request_id, "completed")
    answer = api.get(f"/v1/clip/{request_id}/download").json()
    assert set(answer) == {"request_id", "hand_id", "download_url", "expires_at", "file_size_bytes"}
    assert answer["file_size_bytes"] == 5000
    left = datetime.fromisoformat(answer["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=6.9) < left < timedelta(days=7.1)
    file = requests.get(answer["download_url"], timeout=30)
    assert (file.status_code, len(file.content)) == (200, 5000)
    assert file.headers["Content-Disposition"] == "attachment; filename=hand-1.mp4"
    secret = api.folder / "store" / "signing.key"
    good = secret.read_text()
    secret.write_text("damaged")
    unsigned = api.get(f"/v1/clip/{request_id}/download")
    assert code(unsigned) == (503, "SIGNING_UNAVAILABLE")
    assert "signing.key is damaged" in unsigned.json()["error"]["message"]
    secret.write_text(good)
    store.delete(key)
    assert code(api.get(f"/v1/clip/{request_id}/download")) == (410, "EXPIRED")


def test_others_clips_do_not_exist_except_for_admins(api: ApiProcess) -> None:
    request_id = accepted(api)["request_id"]
    for path in (f"/v1/clip/{request_id}/status", f"/v1/clip/{request_id}/download"):
        stranger = api.get(path, headers={"Authorization": f"Bearer {STRANGER}"})
        nothing = api.get(path.replace(request_id, "clip-20261120-000000000000"))
        assert code(stranger) == code(nothing) == (404, "NOT_FOUND")
        assert stranger.json()["error"] == nothing.json()["error"]
        assert code(requests.get(api.url + path, timeout=30)) == (401, "UNAUTHORIZED")
    admin = api.get(f"/v1/clip/{request_id}/status", headers={"Authorization": f"Bearer {ADMIN}"})
    assert admin.status_code == 200


def test_clients_of_the_former_service_are_understood(api: ApiProcess) -> None:
    sent = {"user_email": "ada@example.com", "requested_at": "2026-11-20T08:00:00Z"}
    request_id = accepted(api, **sent)["request_id"]
    assert api.status(request_id)["metadata"] == sent
    body = {
        "hand_id": "hand-1",
        "nas_video_path": f"{api.root}/table.mp4",
        "start_seconds": 1,
        "end_seconds": 31,
        "output_quality": None,
    }
    answer = api.post("/v1/clip/request", json=body)
    assert (answer.status_code, answer.json().get("mode")) == (202, "copy")
    batch = api.post("/v1/clip/batch", json={"clips": [{**body, **sent, "client_item_id": "a"}]})
    request_id = batch.json()["items"][0]["request_id"]
    assert api.status(request_id)["metadata"] == sent


@pytest.mark.parametrize("end", ["failed", "cancelled"])
def test_progress_is_always_there(api: ApiProcess, end: str) -> None:
    request_id = accepted(api)["request_id"]
    assert api.status(request_id)["progress_percent"] == 0
    if end == "failed":
        api.send(failed(request_id=request_id))
    else:
        assert api.post(f"/v1/clip/{request_id}/cancel").json()["progress_percent"] == 0
    assert api.wait_for_status(request_id, end)["progress_percent"] == 0


def test_the_queue_position_counts_the_lane(make_api: MakeApi) -> None:
    api = make_api()
    running = accepted(api, priority="low")
    assert running["queue_position"] == 1
    api.send(progress(request_id=running["request_id"]))
    api.wait_for_status(running["request_id"], "processing")
    assert accepted(api, priority="high")["queue_position"] == 1
    # Behind one that is being cut it is the next.
    assert [accepted(api, priority="low")["queue_position"] for _ in range(2)] == [1, 2]
