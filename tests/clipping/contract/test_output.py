"""The output of a request: which size and rate follow from it."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from clipping.contract.messages import parse_clip_request
from clipping.contract.output import Output
from clipping.errors import InvalidRequest


@pytest.mark.parametrize(
    ("asked", "size"),
    [
        ({}, None),
        ({"aspect": "9:16"}, (1080, 1920)),
        ({"aspect": "16:9"}, (1920, 1080)),
        ({"aspect": "1:1"}, (1080, 1080)),
        ({"aspect": "4:5"}, (1080, 1350)),
        ({"aspect": "9:16", "width": 720}, (720, 1280)),
        ({"aspect": "16:9", "height": 480}, (854, 480)),
        ({"aspect": "16:9", "width": 854, "height": 480}, (854, 480)),
        ({"width": 640, "height": 480}, (640, 480)),
        ({"width": 640}, None),  # the recording decides on the height
    ],
)
def test_the_size_follows_from_the_request(asked: dict[str, Any], size: tuple[int, int] | None) -> None:
    assert Output(**asked).size == size


@pytest.mark.parametrize(
    ("asked", "short"),
    [
        ({"aspect": "9:16"}, True),
        ({"width": 540, "height": 960}, True),
        ({"aspect": "16:9"}, False),
        ({"height": 1920}, False),
        ({}, False),
    ],
)
def test_upright_clips_are_shorts_however_they_are_asked_for(asked: dict[str, Any], short: bool) -> None:
    assert Output(**asked).short is short


@pytest.mark.parametrize("mode", ["copy", "smart", "encode"])
def test_audio_can_be_left_out_in_every_mode(mode: str) -> None:
    body = {"hand_id": "h", "nas_video_path": "/a.mp4", "start_seconds": 1, "end_seconds": 2}
    silent = {**body, "output": {"audio": False}}
    assert parse_clip_request(silent, max_clip_seconds=600).mode == "copy"
    assert parse_clip_request({**silent, "mode": mode}, max_clip_seconds=600).mode == mode


@pytest.mark.parametrize(
    ("fps", "rate"),
    [
        (25, Fraction(25)),
        (12.5, Fraction(25, 2)),
        (23.976, Fraction(24000, 1001)),
        (29.97, Fraction(30000, 1001)),
        (59.94, Fraction(60000, 1001)),
        (119.88, Fraction(120000, 1001)),
        (30, Fraction(30)),
        (29.9, Fraction(299, 10)),
    ],
)
def test_rates_are_exact(fps: float, rate: Fraction) -> None:
    assert Output(fps=fps).rate == rate


@pytest.mark.parametrize(
    ("asked", "length", "allowed"),
    [
        ({"aspect": "9:16"}, 180, True),
        ({"aspect": "9:16"}, 180.1, False),
        ({"width": 720, "height": 1280}, 181, False),
        ({"aspect": "1:1"}, 600, True),
        ({}, 600, True),
    ],
)
def test_shorts_are_short(asked: dict[str, Any], length: float, allowed: bool) -> None:
    body = {
        "hand_id": "h",
        "nas_video_path": "/nas/a.mp4",
        "start_seconds": 0,
        "end_seconds": length,
        "output": asked,
    }
    if allowed:
        parse_clip_request(body, max_clip_seconds=600, max_short_seconds=180)
    else:
        with pytest.raises(InvalidRequest, match="longest 9:16 is 180 s"):
            parse_clip_request(body, max_clip_seconds=600, max_short_seconds=180)
