"""The framings of a reel's parts give one size."""

from __future__ import annotations

from typing import Any

import pytest

from clipping.contract.reel import ReelRequest, parse_reel_request
from clipping.errors import InvalidRequest

SMART = {"aspect": "9:16", "fit": "smart_crop"}


def framed(width: int = 1080, height: int = 1920) -> dict[str, Any]:
    keyframes = [{"time": 0, "x": 0, "y": 0, "width": 540, "height": 960}]
    return {"framing": {"keyframes": keyframes, "target_width": width, "target_height": height}}


def overlay(space: str) -> dict[str, Any]:
    keyframe = {"time": 0, "x": 1, "y": 1, "radiusX": 5, "radiusY": 5}
    region = {"start_time": 0, "end_time": 1, "keyframes": [keyframe]}
    return {"overlay": {"regions": [region], "space": space}}


def parse(*effects: dict[str, Any], **output: Any) -> ReelRequest:
    clips = [
        {"nas_video_path": "/nas/a.mp4", "start_seconds": 10 * n, "end_seconds": 10 * n + 5, "effects": each}
        for n, each in enumerate(effects)
    ]
    request = {"reel_id": "best-of", "clips": clips, **({"output": output} if output else {})}
    return parse_reel_request(request, max_reel_seconds=1800, max_clip_seconds=600)


@pytest.mark.parametrize(
    ("effects", "output"),
    [
        ((framed(), framed()), {}),
        ((framed(), {}), {}),
        (({}, framed()), {"aspect": "9:16"}),
        (({}, framed(540, 960)), {"width": 540, "height": 960}),
        (({}, framed()), SMART),
        ((framed(), {}), SMART),
        ((overlay("framed"), framed()), SMART),
    ],
)
def test_framings_of_one_size(effects: tuple[dict[str, Any], ...], output: dict[str, Any]) -> None:
    assert parse(*effects, **output).mode == "encode"


@pytest.mark.parametrize(
    ("effects", "output", "field", "words"),
    [
        (({}, framed()), {}, "clips[1].effects.framing", "needs output.width and output.height"),
        (
            (framed(), framed(720, 1280)),
            {},
            "clips[1].effects.framing",
            "gives 720x1280, and the reel is 1080x1920",
        ),
        (
            (framed(),),
            {"aspect": "1:1"},
            "clips[0].effects.framing",
            "gives 1080x1920, and the reel is 1080x1080",
        ),
        ((framed(),), {"width": 720}, "clips[0].effects.framing", "needs output.width and output.height"),
        (({}, overlay("framed")), {}, "clips[1].effects.overlay.space", "must not be framed"),
    ],
)
def test_framings_that_do_not_fit(
    effects: tuple[dict[str, Any], ...], output: dict[str, Any], field: str, words: str
) -> None:
    with pytest.raises(InvalidRequest, match=words) as caught:
        parse(*effects, **output)
    assert caught.value.field == field
    assert caught.value.message.startswith(field)
