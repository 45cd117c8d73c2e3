"""Time limits, and repeats where they do no harm, against a service on a bad day."""

from __future__ import annotations

import json
import math
import socket
import time
from dataclasses import replace

import pytest

from clipping.client import (
    ApiError,
    Client,
    Conflict,
    Gone,
    NewClip,
    NoAnswer,
    NotAllowed,
    NotFound,
    Refused,
    Retries,
    Unavailable,
    WaitedTooLong,
    watching,
)
from clipping.client import client as module
from clipping.errors import ConfigurationError
from tests.clipping.client.moody import Answer, Moody

QUICK = Retries(tries=4, within_seconds=20, first_wait_seconds=0.01)
HEALTH = Answer(body=b'{"status": "healthy", "api_status": "healthy", "version": "9", "new": 1}')
CLIP = NewClip("hand-1", "/nas/a.mp4", "0:10", 20.5)
ACCEPTED = Answer(
    status=202,
    body=json.dumps(
        {
            "request_id": "clip-20261120-8t3vq0z6m4k1h9pn",
            "hand_id": "hand-1",
            "status": "queued",
            "mode": "copy",
            "estimated_duration_sec": 1.0,
            "queue_position": 0,
            "created_at": "2026-11-20T08:15:30.123Z",
            "status_url": "http://x/",
        }
    ).encode(),
)


def refusal(status: int, code: str, **headers: str) -> Answer:
    body = {"error": {"code": code, "message": "it says why", "field": "end_seconds"}, "timestamp": "…"}
    return Answer(status=status, body=json.dumps(body).encode(), headers=headers)


def client(moody: Moody) -> Client:
    return Client(moody.url, key="the-key", retries=QUICK, timeout=10)


AWAY = (
    refusal(503, "QUEUE_UNAVAILABLE"),
    Answer(cut=True),
    Answer(status=502, body=b"<html>bad gateway</html>"),
)


def test_reading_is_repeated_until_it_works() -> None:
    with Moody(*AWAY, HEALTH) as moody, client(moody) as calling:
        assert calling.health().version == "9"
        assert len(moody.calls) == 4
        assert moody.calls[0].headers["Authorization"] == "Bearer the-key"
        assert moody.calls[0].headers["User-Agent"].startswith("clipping/")


def test_asking_for_a_clip_is_repeated_under_one_key() -> None:
    with Moody(*AWAY, ACCEPTED) as moody, client(moody) as calling:
        assert calling.request(CLIP).request_id == "clip-20261120-8t3vq0z6m4k1h9pn"
        assert len({call.headers["Idempotency-Key"] for call in moody.calls}) == 1
        assert len({call.body for call in moody.calls}) == 1
        assert json.loads(moody.calls[0].body) == {
            "hand_id": "hand-1",
            "nas_video_path": "/nas/a.mp4",
            "start_seconds": "0:10",
            "end_seconds": 20.5,
        }
        calling.request(CLIP)
        calling.request(CLIP, idempotency_key="mine")
        keys = [call.headers["Idempotency-Key"] for call in moody.calls[-3:]]
        assert len(set(keys)) == 3
        assert keys[-1] == "mine"


def test_what_can_do_harm_twice_is_not_repeated() -> None:
    with Moody(refusal(503, "COORDINATION_UNAVAILABLE")) as moody, client(moody) as calling:
        for call in (
            lambda: calling.cancel("clip-1"),
            calling.pause,
            calling.resume,
        ):
            with pytest.raises(Unavailable):
                call()
        assert len(moody.calls) == 3


def test_a_failover_is_repeated_under_one_key() -> None:
    done = Answer(
        body=json.dumps(
            {
                "operation_id": "failover-20261120-3m8x0v5k1t7q9wbn",
                "state": "done",
                "created_at": "2026-11-20T08:15:30.123Z",
                "expires_at": "2026-11-20T08:22:30.123Z",
            }
        ).encode()
    )
    with Moody(refusal(503, "COORDINATION_UNAVAILABLE"), Answer(cut=True), done) as moody:
        with client(moody) as calling:
            assert calling.failover(from_agent="nas-1", to_agent="nas-2", reason="upgrade").finished
            calling.failover(to_agent="nas-2", idempotency_key="mine")
        assert len({call.headers["Idempotency-Key"] for call in moody.calls[:3]}) == 1
        assert moody.calls[3].headers["Idempotency-Key"] == "mine"
        assert {call.path for call in moody.calls[:3]} == {"/v1/admin/agents/nas-1/failover"}
        assert json.loads(moody.calls[0].body) == {
            "direction": "from",
            "target": "nas-2",
            "mode": "graceful",
            "reason": "upgrade",
            "wait_seconds": 20.0,
        }
        assert moody.calls[3].path == "/v1/admin/agents/nas-2/failover"
        body = json.loads(moody.calls[3].body)
        assert (body["direction"], "target" in body) == ("to", False)


def test_it_gives_up_after_its_tries() -> None:
    with Moody(refusal(503, "QUEUE_UNAVAILABLE")) as moody, client(moody) as calling:
        with pytest.raises(Unavailable) as caught:
            calling.health()
        assert (caught.value.code, len(moody.calls)) == ("QUEUE_UNAVAILABLE", QUICK.tries)


def test_retry_after_is_respected() -> None:
    busy = refusal(429, "RATE_LIMITED", **{"Retry-After": "1"})
    with Moody(busy, HEALTH) as moody, client(moody) as calling:
        began = time.monotonic()
        calling.health()
        assert time.monotonic() - began >= 1


def test_it_does_not_wait_longer_than_it_may() -> None:
    tomorrow = refusal(429, "QUOTA_EXCEEDED", **{"Retry-After": "40000"})
    with Moody(tomorrow) as moody, client(moody) as calling:
        with pytest.raises(Unavailable) as caught:
            calling.request(CLIP)
        assert (caught.value.retry_after, len(moody.calls)) == (40000, 1)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refusal(400, "INVALID_REQUEST"), Refused),
        (refusal(401, "UNAUTHORIZED"), NotAllowed),
        (refusal(403, "FORBIDDEN"), NotAllowed),
        (refusal(404, "NOT_FOUND"), NotFound),
        (refusal(409, "NOT_READY"), Conflict),
        (refusal(410, "EXPIRED"), Gone),
        (refusal(412, "NO_ELIGIBLE_TARGET"), Conflict),
        (refusal(413, "PAYLOAD_TOO_LARGE"), Refused),
        (refusal(500, "INTERNAL_ERROR"), ApiError),
    ],
)
def test_an_error_has_its_code_and_field(answer: Answer, kind: type[ApiError]) -> None:
    with Moody(answer) as moody, client(moody) as calling:
        with pytest.raises(kind) as caught:
            calling.status("clip-1")
        error = caught.value
        assert (error.status, error.message, error.field) == (answer.status, "it says why", "end_seconds")
        assert error.code in answer.body.decode()
        assert len(moody.calls) == 1


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Answer(status=404, body=b"<html>"), "HTTP_404"),
        (Answer(status=418, body=b"[]"), "HTTP_418"),
        (Answer(body=b"not JSON"), "NOT_UNDERSTOOD"),
        (Answer(body=b'{"status": "well"}'), "NOT_UNDERSTOOD"),
        (Answer(status=302, headers={"Location": "https://elsewhere.example.com/"}), "REDIRECTED"),
    ],
)
def test_a_response_from_another_server_is_an_error(answer: Answer, code: str) -> None:
    with Moody(answer) as moody, client(moody) as calling:
        with pytest.raises(ApiError) as caught:
            calling.health()
        assert caught.value.code == code
        assert len(moody.calls) == 1


def test_a_silent_service_raises_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with (
            Client(url, timeout=0.2, retries=Retries(tries=1)) as calling,
            pytest.raises(NoAnswer, match="too long"),
        ):
            calling.health()
    gone = Retries(tries=2, first_wait_seconds=0.01)
    with Client(url, retries=gone) as calling, pytest.raises(NoAnswer, match="refused"):
        calling.health()


@pytest.mark.parametrize("url", ["", "clips.example.com", "ftp://x", "http://", "http://x/?a=b"])
def test_an_invalid_url_is_refused_at_once(url: str) -> None:
    with pytest.raises(ConfigurationError):
        Client(url)


@pytest.mark.parametrize("key", ["", " ", "a b", "a\nb", "schlüssel", "🎬", "x" * 256])
def test_an_invalid_idempotency_key_is_not_sent(key: str) -> None:
    with Moody() as moody, client(moody) as calling:
        with pytest.raises(Refused) as caught:
            calling.request(CLIP, idempotency_key=key)
        assert (caught.value.code, caught.value.field) == ("INVALID_REQUEST", "Idempotency-Key")
        assert moody.calls == []


def test_an_invalid_number_is_not_sent() -> None:
    with Moody() as moody, client(moody) as calling:
        with pytest.raises(Refused, match="not finite"):
            calling.request(replace(CLIP, start_seconds=math.nan))
        assert moody.calls == []


@pytest.mark.parametrize("key", ["", " ", "a\nb", "schlüssel"])
def test_an_invalid_key_is_refused_at_once(key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Client("http://127.0.0.1", key=key)
    assert not key.strip() or key not in str(caught.value)


def stream(*frames: str) -> Answer:
    body = "".join(f"{frame}\n\n" for frame in frames).encode()
    return Answer(body=body, headers={"Content-Type": "text/event-stream"})


def frame(number: int, kind: str = "progress") -> str:
    return f'retry: 10\nevent: {kind}\nid: {number}\ndata: {{"status": "{kind}"}}'


def test_a_stream_is_taken_up_where_it_broke_off() -> None:
    answers = (
        stream(frame(1), frame(2)),
        refusal(503, "TOO_MANY_STREAMS"),
        Answer(cut=True),
        stream(frame(3), frame(4, "completed"), frame(5)),
    )
    with Moody(*answers) as moody, client(moody) as calling:
        events = list(calling.events("clip-1"))
        assert [(event.event_id, event.kind) for event in events] == [
            ("1", "progress"),
            ("2", "progress"),
            ("3", "progress"),
            ("4", "completed"),
        ]
        assert [call.headers.get("Last-Event-ID") for call in moody.calls] == [None, "2", "2", "2"]


def test_a_stream_that_was_seen_to_its_end_has_no_events() -> None:
    with Moody(Answer(status=204, body=b"")) as moody, client(moody) as calling:
        assert list(calling.events("clip-1", last_event_id="5")) == []
        assert len(moody.calls) == 1


def test_a_stream_that_is_not_to_be_had_is_an_error() -> None:
    for answer, error, calls in (
        (refusal(404, "NOT_FOUND"), NotFound, 1),
        (refusal(503, "TOO_MANY_STREAMS"), Unavailable, 3),
    ):
        with Moody(answer) as moody, client(moody) as calling:
            with pytest.raises(error):
                list(calling.events("clip-1"))
            assert len(moody.calls) == calls


@pytest.mark.parametrize("lasts", [True, False])
def test_a_request_may_wait_for_longer_than_a_stream_lasts(
    monkeypatch: pytest.MonkeyPatch, *, lasts: bool
) -> None:
    monkeypatch.setattr(watching, "_RECONNECTING", Retries(tries=3, first_wait_seconds=0.01))
    monkeypatch.setattr(watching, "LASTED_SECONDS", 0.0 if lasts else 60.0)
    quiet = [stream("retry: 10", ": still here")] * 6
    with Moody(*quiet, stream(frame(1, "completed"))) as moody, client(moody) as calling:
        if lasts:
            assert [event.kind for event in calling.events("clip-1")] == ["completed"]
        else:
            with pytest.raises(NoAnswer, match="too early"):
                list(calling.events("clip-1"))
        assert len(moody.calls) == (7 if lasts else 3)


def test_a_stream_is_not_watched_for_longer_than_asked() -> None:
    with Moody(stream()) as moody, client(moody) as calling:
        began = time.monotonic()
        with pytest.raises(WaitedTooLong):
            list(calling.events("clip-1", timeout=1))
        assert time.monotonic() - began < 20


STATUS = {
    "request_id": "clip-20261120-8t3vq0z6m4k1h9pn",
    "hand_id": "hand-1",
    "status": "processing",
    "progress_percent": 50.0,
    "created_at": "2026-11-20T08:15:30.123Z",
}


def versioned(etag: str, **over: object) -> Answer:
    return Answer(body=json.dumps({**STATUS, **over}).encode(), headers={"ETag": etag})


def known(moody: Moody) -> list[str | None]:
    return [call.headers.get("If-None-Match") for call in moody.calls]


def test_waiting_transfers_changes_only() -> None:
    same = Answer(status=304, body=b"", headers={"ETag": '"1"'})
    done = versioned('"2"', status="completed", progress_percent=100.0)
    with Moody(versioned('"1"'), same, same, done) as moody, client(moody) as ours:
        assert ours.wait(STATUS["request_id"]).status == "completed"
        assert known(moody) == [None, '"1"', '"1"', '"1"']
        # One that has ended is not remembered.
        assert ours.status(STATUS["request_id"]).progress_percent == 100.0
        assert known(moody)[-1] is None


def test_each_request_has_its_own_version() -> None:
    other = versioned('"7"', request_id="clip-20261120-000000000000")
    same = Answer(status=304, body=b"", headers={"ETag": '"1"'})
    with Moody(versioned('"1"'), other, same) as moody, client(moody) as ours:
        first = ours.status(STATUS["request_id"])
        first.metadata["changed"] = "by the caller"
        ours.status("clip-20261120-000000000000")
        again = ours.status(STATUS["request_id"])
        assert (again.progress_percent, again.metadata) == (50.0, {})
        assert known(moody) == [None, None, '"1"']


def test_a_service_without_versions_is_polled_as_before() -> None:
    plain = Answer(body=json.dumps(STATUS).encode())
    with Moody(plain) as moody, client(moody) as ours:
        assert [ours.status(STATUS["request_id"]).status for _ in range(2)] == ["processing"] * 2
        assert known(moody) == [None, None]


def test_an_unasked_304_is_an_error() -> None:
    with Moody(Answer(status=304, body=b"")) as moody, client(moody) as ours, pytest.raises(ApiError):
        ours.status(STATUS["request_id"])


def test_few_versions_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_KNOWN", 2)
    with Moody(versioned('"1"')) as moody, client(moody) as ours:
        for request_id in ("a", "b", "c", "a", "c"):
            ours.status(request_id)
        assert known(moody) == [None, None, None, None, '"1"']
