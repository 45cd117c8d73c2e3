"""Clips that are no longer wanted."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import requests

from clipping.contract.cluster import cancel_key
from clipping.contract.messages import RequestMessage
from clipping.store.local import LocalStore
from tests.api.api_process import STRANGER, ApiProcess
from tests.api.conftest import MakeApi
from tests.api.messages import completed, failed, progress
from tests.api.workers import Workers
from tests.support.broker import BrokerProcess
from tests.support.waiting import eventually


def store_of(api: ApiProcess) -> LocalStore:
    path = api.config.storage.path
    assert path is not None
    return LocalStore(Path(path), public_url=api.url)


def cancel(api: ApiProcess, request_id: str, **options: Any) -> requests.Response:
    return api.post(f"/v1/clip/{request_id}/cancel", **options)


def code(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def asked(api: ApiProcess, **over: Any) -> str:
    return str(api.request(**over).json()["request_id"])


def test_a_waiting_clip_is_cancelled_at_once(either_api: ApiProcess) -> None:
    request_id = asked(either_api)
    answer = cancel(either_api, request_id)
    body = answer.json()
    assert answer.status_code == 202
    assert (body["status"], body["error"]["code"]) == ("cancelled", "CANCELLED")
    assert "stage" not in body
    assert body["completed_at"] >= body["created_at"]
    assert either_api.status(request_id) == body
    assert store_of(either_api).stat(cancel_key(request_id)) is not None


def test_a_running_clip_is_marked_for_its_agent(either_api: ApiProcess) -> None:
    request_id = asked(either_api)
    either_api.send(progress(request_id=request_id))
    either_api.wait_for_status(request_id, "processing")
    for _ in range(2):  # to ask again is no error
        answer = cancel(either_api, request_id)
        assert (answer.status_code, answer.json()["status"]) == (202, "processing")
    assert store_of(either_api).stat(cancel_key(request_id)) is not None
    either_api.send(failed("CANCELLED", request_id=request_id, status="cancelled"))
    either_api.wait_for_status(request_id, "cancelled")


def test_a_clip_that_was_finished_before_its_agent_knew_is_there(either_api: ApiProcess) -> None:
    running, waiting = asked(either_api), asked(either_api)
    either_api.send(progress(request_id=running))
    either_api.wait_for_status(running, "processing")
    for request_id in (running, waiting):
        assert cancel(either_api, request_id).status_code == 202
        either_api.send(completed(request_id=request_id))
        assert "error" not in either_api.wait_for_status(request_id, "completed")


def test_what_has_ended_is_not_cancelled(either_api: ApiProcess) -> None:
    for message in (completed, failed):
        request_id = asked(either_api)
        either_api.send(message(request_id=request_id))
        before = either_api.wait_for_status(request_id, message().status)
        assert code(cancel(either_api, request_id)) == (409, "ALREADY_FINISHED")
        assert either_api.status(request_id) == before
        assert store_of(either_api).stat(cancel_key(request_id)) is None
    request_id = asked(either_api)
    cancel(either_api, request_id)
    assert code(cancel(either_api, request_id)) == (409, "ALREADY_FINISHED")


def test_strangers_cancel_nothing(either_api: ApiProcess) -> None:
    request_id = asked(either_api)
    stranger = cancel(either_api, request_id, headers={"Authorization": f"Bearer {STRANGER}"})
    assert code(stranger) == (404, "NOT_FOUND")
    assert code(cancel(either_api, "clip-20261120-000000000000")) == (404, "NOT_FOUND")
    assert either_api.status(request_id)["status"] == "queued"
    assert store_of(either_api).stat(cancel_key(request_id)) is None


def test_concurrent_cancels_all_succeed(either_api: ApiProcess) -> None:
    request_id = asked(either_api)
    answers: list[int] = []
    start = threading.Barrier(8)

    def call() -> None:
        start.wait(60)
        url = f"{either_api.url}/v1/clip/{request_id}/cancel"
        headers = dict(either_api.session.headers)
        answers.append(requests.post(url, headers=headers, timeout=60).status_code)

    threads = [threading.Thread(target=call, name=f"cancel-{n}") for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert set(answers) <= {202, 409}
    assert 202 in answers
    assert either_api.status(request_id)["status"] == "cancelled"


def test_without_the_store_nothing_is_promised(make_api: MakeApi) -> None:
    api = make_api()
    request_id = asked(api)
    cancels = Path(api.config.storage.path or "") / "objects" / "cancels"
    cancels.parent.mkdir(parents=True, exist_ok=True)
    cancels.write_text("a file where the folder has to be")
    assert code(cancel(api, request_id)) == (503, "STORE_UNAVAILABLE")
    assert api.status(request_id)["status"] == "queued"
    cancels.unlink()
    assert cancel(api, request_id).status_code == 202


@pytest.mark.slow
def test_a_cancelled_request_that_waits_for_the_broker_is_never_published(
    make_api: MakeApi, tmp_path: Path
) -> None:
    with BrokerProcess(tmp_path / "broker") as broker:
        api = make_api(broker)
        broker.kill()
        dropped, wanted = asked(api), asked(api)
        # A message that is being sent may still arrive.
        eventually(lambda: "outbox.down" in api.log.read_text(), "the end of the attempt")
        assert cancel(api, dropped).json()["status"] == "cancelled"
        assert api.counts()["outbox"] == 1
        broker.start()
        with Workers(api) as workers:
            api.wait_for_status(wanted, "completed")
            assert dict(workers.seen) == {wanted: 1}
        assert api.status(dropped)["status"] == "cancelled"


def test_an_agent_that_finds_the_mark_reports_cancelled(make_api: MakeApi) -> None:
    api = make_api()
    request_id = asked(api)
    cancel(api, request_id)

    def look(workers: Workers, message: RequestMessage) -> None:
        assert store_of(api).stat(cancel_key(message.request_id)) is not None
        workers.report(failed("CANCELLED", request_id=message.request_id, status="cancelled"))

    with Workers(api, do=look) as workers:
        assert eventually(lambda: workers.seen[request_id])
        follower = asked(api)
        cancel(api, follower)
        assert eventually(lambda: workers.seen[follower])
    assert {api.status(each)["status"] for each in (request_id, follower)} == {"cancelled"}
