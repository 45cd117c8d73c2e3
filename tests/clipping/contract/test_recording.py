"""How a request names its recording."""

from __future__ import annotations

from typing import Any

import pytest

from clipping.contract.messages import ClipRequest, parse_clip_request
from clipping.contract.recording import recording_of
from clipping.contract.reel import parse_reel_request
from clipping.errors import InvalidRequest

TIMES: dict[str, Any] = {"start_seconds": 1, "end_seconds": 3}
URI = "s3://originals/2026/final table.mp4"


def parse(**named: Any) -> ClipRequest:
    return parse_clip_request({"hand_id": "h", **TIMES, **named}, max_clip_seconds=600)


@pytest.mark.parametrize(
    "uri",
    [
        URI,
        "gs://footage.example.com/a",
        "gs://bucket/ünï/%20literal?.mp4",
        "file:///data/store/objects/uploads/0123456789abcdef/upl-1/a.mp4",
    ],
)
def test_an_object(uri: str) -> None:
    request = parse(source_uri=uri)
    assert (request.nas_video_path, recording_of(request)) == (None, uri)


@pytest.mark.parametrize(
    ("named", "field", "says"),
    [
        ({}, "nas_video_path", "is required, or source_uri in its place"),
        ({"nas_video_path": None}, "nas_video_path", "is required"),
        ({"source_uri": URI, "nas_video_path": "/nas/a.mp4"}, "nas_video_path", "together with source_uri"),
        (
            {"source_uri": "https://example.com/a.mp4"},
            "source_uri",
            "must be gs://bucket/key, s3://bucket/key",
        ),
        ({"source_uri": "s3://originals"}, "source_uri", "must be gs://"),
        ({"source_uri": "s3://originals/"}, "source_uri", "must be gs://"),
        ({"source_uri": "S3://originals/a"}, "source_uri", "must be gs://"),
        ({"source_uri": "s3://Originals/a"}, "source_uri", "must be gs://"),
        ({"source_uri": "file://host/a"}, "source_uri", "must be gs://"),
        ({"source_uri": "s3://originals/a/../b"}, "source_uri", "without empty parts"),
        ({"source_uri": "s3://originals/./b"}, "source_uri", "without empty parts"),
        ({"source_uri": "s3://originals//b"}, "source_uri", "without empty parts"),
        ({"source_uri": "s3://originals/a\nb"}, "source_uri", "control"),
        ({"source_uri": "s3://originals/" + "x" * 2048}, "source_uri", "at most 2048 bytes"),
        ({"source_uri": 5}, "source_uri", "must be a string"),
    ],
)
def test_what_is_refused(named: dict[str, Any], field: str, says: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse(**named)
    assert (refused.value.field, says in refused.value.message) == (field, True), refused.value.message
    part = {**TIMES, **named}
    with pytest.raises(InvalidRequest) as refused:
        parse_reel_request({"reel_id": "r", "clips": [part, part]}, max_reel_seconds=60, max_clip_seconds=60)
    assert (refused.value.field, says in refused.value.message) == (f"clips[0].{field}", True)


def test_hashes_differ_with_the_recording() -> None:
    by_uri, other = parse(source_uri=URI), parse(source_uri=URI + "2")
    by_path = parse(nas_video_path="/nas/a.mp4")
    assert len({by_uri.spec_hash(), other.spec_hash(), by_path.spec_hash()}) == 3


def test_parts_of_one_object_must_not_overlap() -> None:
    part = {**TIMES, "source_uri": URI}
    with pytest.raises(InvalidRequest, match="overlaps"):
        parse_reel_request({"reel_id": "r", "clips": [part, part]}, max_reel_seconds=60, max_clip_seconds=60)
    other = part | {"source_uri": URI + "2"}
    parse_reel_request({"reel_id": "r", "clips": [part, other]}, max_reel_seconds=60, max_clip_seconds=60)
