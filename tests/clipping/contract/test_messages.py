"""The clip request and the messages: what is taken, what is refused and with which words."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipping.contract.choices import Mode
from clipping.contract.messages import (
    REQUEST_ID,
    CompletionMessage,
    ProgressMessage,
    RequestMessage,
    parse_clip_request,
)
from clipping.errors import InvalidRequest
from clipping.ids import new_request_id

GOOD: dict[str, Any] = {
    "hand_id": "hand-154",
    "nas_video_path": "/nas/night.mp4",
    "start_seconds": "3:24:15",
    "end_seconds": 12405,
}
NOW = datetime(2026, 11, 20, 8, 0, 0, 123456, tzinfo=UTC)


def parse(**changes: Any) -> Any:
    return parse_clip_request({**GOOD, **changes}, max_clip_seconds=600)


def test_defaults() -> None:
    request = parse()
    assert (request.mode, request.priority, request.output_quality) == ("copy", "normal", "high")
    assert (request.in_seconds, request.out_seconds, request.lane) == (12255.0, 12405.0, "interactive")


@pytest.mark.parametrize(
    ("changes", "mode", "lane"),
    [
        ({"output_quality": "medium"}, "encode", "batch"),
        ({"output_quality": "medium", "mode": "copy"}, "copy", "interactive"),
        ({"mode": "encode"}, "encode", "batch"),
        ({"mode": "encode", "priority": "high"}, "encode", "interactive"),
        ({"priority": "low"}, "copy", "batch"),
        ({"output": {}}, "copy", "interactive"),
        ({"output": {"aspect": "source", "container": "mkv"}}, "copy", "interactive"),
        ({"output": {"aspect": "9:16"}}, "encode", "batch"),
        ({"output": {"fps": 25}, "priority": "high"}, "encode", "interactive"),
        ({"output": {"height": 720}}, "encode", "batch"),
        ({"output": {"max_bytes": 10**6}}, "encode", "batch"),
        ({"output": {"video_codec": "hevc"}}, "encode", "batch"),
        ({"output": {"quality": "medium"}}, "encode", "batch"),
        ({"output_quality": "medium", "output": {"video_codec": "copy"}}, "copy", "interactive"),
    ],
)
def test_mode_and_lane_follow_from_the_request(changes: dict[str, str], mode: str, lane: str) -> None:
    request = parse(**changes)
    assert (request.mode, request.lane) == (mode, lane)


@pytest.mark.parametrize(
    ("changes", "configured", "mode"),
    [
        ({}, "smart", "smart"),
        ({}, "encode", "encode"),
        ({}, None, "copy"),
        ({"mode": "copy"}, "smart", "copy"),
        ({"output_quality": "medium"}, "smart", "encode"),
        ({"output": {"quality": "medium"}}, "copy", "encode"),
        ({"output": {"aspect": "9:16"}}, "smart", "encode"),
        ({"output": {"container": "mkv"}}, "smart", "smart"),
        ({"output": {"video_codec": "copy"}}, "smart", "smart"),
        ({"output": {"video_codec": "copy"}}, "encode", "copy"),
    ],
)
def test_the_operator_chooses_the_mode_of_a_request_that_leaves_it_open(
    changes: dict[str, Any], configured: Mode | None, mode: str
) -> None:
    request = parse_clip_request({**GOOD, **changes}, max_clip_seconds=600, high_mode=configured)
    assert request.mode == mode


def test_rolls_widen_the_clip_and_stop_at_zero() -> None:
    request = parse(start_seconds=0.3, end_seconds=2, pre_roll_seconds=0.1, post_roll_seconds=0.1)
    assert (request.in_seconds, request.out_seconds) == (0.2, 2.1)
    assert parse(start_seconds=1, end_seconds=2, pre_roll_seconds=5).in_seconds == 0


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"hand_id": "a/b"}, "hand_id", "1 to 128 characters"),
        ({"hand_id": ""}, "hand_id", "1 to 128"),
        ({"hand_id": ".hidden"}, "hand_id", "start with a letter"),
        ({"hand_id": "x" * 129}, "hand_id", "1 to 128"),
        ({"hand_id": "a\n"}, "hand_id", "1 to 128"),
        ({"hand_id": 154}, "hand_id", "must be a string"),
        ({"nas_video_path": "night.mp4"}, "nas_video_path", "absolute"),
        ({"nas_video_path": "/nas/../etc/passwd"}, "nas_video_path", "'..'"),
        *(
            ({"nas_video_path": f"/nas/a{character}b"}, "nas_video_path", "control or line separator")
            for character in ("\0", "\x1b", "\x7f", "\x80", "\x85", "\x9f", "\u2028", "\u2029")
        ),
        ({"nas_video_path": "/" + "a" * 5000}, "nas_video_path", "4096 bytes"),
        ({"nas_video_path": "/nas/\ud800"}, "nas_video_path", ""),
        ({"start_seconds": True}, "start_seconds", "boolean"),
        ({"start_seconds": float("nan")}, "start_seconds", "finite"),
        ({"end_seconds": float("inf")}, "end_seconds", "finite"),
        ({"start_seconds": -1}, "start_seconds", "negative"),
        ({"start_seconds": None}, "start_seconds", "must be"),
        ({"start_seconds": 12405}, "end_seconds", "greater than start_seconds"),
        ({"start_seconds": 0}, "end_seconds", "longest allowed is 600 s"),
        ({"post_roll_seconds": 500}, "end_seconds", "longest allowed"),
        ({"output_quality": "best"}, "output_quality", "'high' or 'medium'"),
        ({"mode": "clever"}, "mode", "'copy', 'smart' or 'encode'"),
        ({"mode": None}, "mode", "'copy', 'smart' or 'encode'"),
        ({"priority": "urgent"}, "priority", "'high', 'normal' or 'low'"),
        ({"metadata": {"a": 1}}, "metadata.a", "string"),
        ({"metadata": {str(n): "x" for n in range(17)}}, "metadata", "at most 16"),
        ({"metadata": []}, "metadata", "object"),
        ({"qualty": "high"}, "qualty", "not a known field"),
    ],
)
def test_errors_name_the_field(changes: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse(**changes)
    assert caught.value.field == field
    assert words in caught.value.message
    assert caught.value.message.startswith(field) or "clip would be" in caught.value.message


@pytest.mark.parametrize("missing", sorted(GOOD))
def test_required_fields(missing: str) -> None:
    with pytest.raises(InvalidRequest, match=f"{missing} is required") as caught:
        parse_clip_request({key: GOOD[key] for key in GOOD if key != missing}, max_clip_seconds=600)
    assert caught.value.field == missing


@pytest.mark.parametrize("body", [None, [], "text", 5])
def test_a_body_that_is_not_an_object(body: object) -> None:
    with pytest.raises(InvalidRequest, match="JSON object"):
        parse_clip_request(body, max_clip_seconds=600)


def test_fields_of_the_previous_service_become_metadata() -> None:
    request = parse(
        user_email="ada@example.com", requested_at="2026-11-20T08:00:00Z", metadata={"table": "7"}
    )
    expected = {"user_email": "ada@example.com", "requested_at": "2026-11-20T08:00:00Z", "table": "7"}
    assert request.metadata == expected
    assert request.spec_hash() == parse().spec_hash()
    assert parse(user_email="ada", metadata={"user_email": "eve"}).metadata == {"user_email": "eve"}
    assert parse(user_email=None, requested_at=None).metadata == {}


@pytest.mark.parametrize("value", [7, True, ["a"], "x" * 1025])
@pytest.mark.parametrize("name", ["user_email", "requested_at"])
def test_fields_of_the_former_service_have_to_be_text(name: str, value: object) -> None:
    with pytest.raises(InvalidRequest, match=f"{name} must be a string of at most 1024") as caught:
        parse(**{name: value})
    assert caught.value.field == name


def test_a_quality_of_null_is_none() -> None:
    request = parse(output_quality=None)
    assert (request.output_quality, request.mode) == ("high", "copy")


def test_a_request_travels_unchanged() -> None:
    request = parse(
        metadata={"table": "7", "город": "Москва"}, pre_roll_seconds=1.25, output={"aspect": "1:1", "fps": 25}
    )
    sent = RequestMessage.of(request, request_id=new_request_id(NOW), owner="web", requested_at=NOW)
    body = json.loads(sent.to_json())
    assert body["schema"] == 1
    assert body["requested_at"] == "2026-11-20T08:00:00.123Z"
    received = RequestMessage.from_json(sent.to_json())
    assert received.spec_hash() == request.spec_hash()
    assert received.model_dump(exclude={"requested_at"}) == sent.model_dump(exclude={"requested_at"})


def test_a_newer_sender_may_add_fields() -> None:
    request = RequestMessage.of(parse(), request_id=new_request_id(NOW), owner="web", requested_at=NOW)
    body = json.loads(request.to_json()) | {"invented_later": True}
    assert RequestMessage.from_json(json.dumps(body).encode()).hand_id == "hand-154"


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b'{"schema":1}', b"\xff", b'{"schema":2}'])
def test_an_invalid_message_is_refused(data: bytes) -> None:
    for kind in (RequestMessage, CompletionMessage, ProgressMessage):
        with pytest.raises(InvalidRequest):
            kind.from_json(data)


def test_the_spec_hash_is_of_the_content_alone() -> None:
    one = parse()
    assert parse(hand_id="other", priority="low", metadata={"a": "b"}).spec_hash() == one.spec_hash()
    assert parse(start_seconds=12256, pre_roll_seconds=1).spec_hash() == one.spec_hash()
    assert parse(output={"aspect": "source", "audio": True}).spec_hash() == one.spec_hash()
    changed: list[dict[str, Any]] = [
        {"end_seconds": 12404.9},
        {"mode": "encode"},
        {"nas_video_path": "/nas/b.mp4"},
        {"mode": "encode", "output": {"max_bytes": 10**6}},
        {"mode": "encode", "output": {"quality": "medium"}},
        {"output": {"container": "mkv"}},
        {"output": {"audio": False}},
    ]
    assert len({one.spec_hash(), *(parse(**changes).spec_hash() for changes in changed)}) == 8


def test_ids_are_not_counters() -> None:
    ids = {new_request_id(NOW) for _ in range(1000)}
    assert len(ids) == 1000
    assert all(re.fullmatch(REQUEST_ID, one) and one.startswith("clip-20261120-") for one in ids)


@given(st.dictionaries(st.text(), st.one_of(st.none(), st.booleans(), st.floats(), st.text(), st.integers())))
def test_invalid_bodies_raise_invalid_request_only(body: dict[str, Any]) -> None:
    # Text alone can't make the four required fields right: every such body is refused, and only so.
    with pytest.raises(InvalidRequest):
        parse_clip_request(body, max_clip_seconds=600)
