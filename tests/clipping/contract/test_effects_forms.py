"""The request forms of existing export jobs in `effects`, and what each becomes."""

from __future__ import annotations

from typing import Any

import pytest

from clipping.contract.effects_forms import FORMS, INCLUDE_AUDIO, KEYS, OPTIONS
from clipping.contract.messages import ClipRequest, parse_clip_request
from clipping.errors import InvalidRequest
from tests.docs.tables import DOCS

GOOD: dict[str, Any] = {
    "hand_id": "job-7",
    "nas_video_path": "/nas/match.mp4",
    "start_seconds": 100,
    "end_seconds": 130,
}
CROP = {"x": 100, "y": 100, "width": 1080, "height": 1920}
POINT = {"time": 0.5, "x": 100, "y": 50, "radiusX": 20, "radiusY": 40, "opacity": 0.15, "color": "#FFFF00"}
REGION = {"id": "r", "start_time": 0, "end_time": 2, "enabled": True, "keyframes": [POINT]}


def parse(effects: Any, **changes: Any) -> ClipRequest:
    return parse_clip_request({**GOOD, **changes, "effects": effects}, max_clip_seconds=600)


def asked(effects: Any) -> dict[str, Any]:
    return parse(effects).effects.asked()


SAME: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (  # a framing job of the serverless worker
        {"crop_keyframes": [{"frame": 0, **CROP}]},
        {"framing": {"keyframes": [{"frame": 0, **CROP}], "interpolation": "spline"}},
    ),
    (  # as the editor saves it
        {
            "crop_keyframes": [
                {"frame": 0, "origin": "permanent", **CROP, "rotation": 0},
                {"frame": 90, "origin": "user", **CROP, "selected": True},
            ],
            "effect_type": "original",
            "highlight_regions": [],
            "segment_data": None,
        },
        {
            "framing": {
                "keyframes": [{"frame": 0, **CROP}, {"frame": 90, **CROP}],
                "interpolation": "spline",
            }
        },
    ),
    (
        {
            "cropKeyframes": [{"time": "0:01.5", **CROP}],
            "interpolation": "linear",
            "target_width": 810,
            "targetHeight": 1440,
        },
        {"framing": {"keyframes": [{"time": 1.5, **CROP}], "target_width": 810, "target_height": 1440}},
    ),
    (  # an overlay job
        {"highlight_regions": [REGION], "effect_type": "brightness_boost"},
        {"overlay": {"effect_type": "brightness_boost", "regions": [REGION]}},
    ),
    (
        {
            "highlightRegions": [
                {"startTime": 0, "endTime": 2, "enabled": None, "label": "7", "keyframes": [POINT]},
                {**REGION, "enabled": False, "videoWidth": 1920, "videoHeight": 1080},
            ],
            "effectType": "dark_overlay",
            "videoWidth": 1280,
            "videoHeight": 720,
        },
        {
            "overlay": {
                "effect_type": "dark_overlay",
                "regions": [
                    {
                        "start_time": 0,
                        "end_time": 2,
                        "keyframes": [POINT],
                        "videoWidth": 1280,
                        "videoHeight": 720,
                    },
                    {**REGION, "enabled": False, "videoWidth": 1920, "videoHeight": 1080},
                ],
            }
        },
    ),
    (  # the flat list of older projects
        {"highlight_keyframes": [POINT, {**POINT, "time": "0:04"}, {**POINT, "time": 2}]},
        {
            "overlay": {
                "regions": [
                    {
                        "start_time": 0.5,
                        "end_time": 4,
                        "keyframes": [POINT, {**POINT, "time": 4}, {**POINT, "time": 2}],
                    }
                ]
            }
        },
    ),
    (
        {"segment_data": {"segments": [{"start": 0, "end": 5, "speed": 0.5}, {"start": "0:05", "end": 9}]}},
        {"segments": [{"start": 0, "end": 5, "speed": 0.5}, {"start": 5, "end": 9}]},
    ),
    (  # the editor's own: speeds by the number of the segment
        {"segment_data": {"boundaries": [0, 5, 12.5, 30], "segmentSpeeds": {"1": 0.5}, "trimRange": None}},
        {"segments": [{"start": 5, "end": 12.5, "speed": 0.5}]},
    ),
    (
        {"segments": {"boundaries": [0, 5, 30], "segmentSpeeds": {"0": 2, "1": 0.25}}, "trimRange": None},
        {"segments": [{"start": 0, "end": 5, "speed": 2}, {"start": 5, "end": 30, "speed": 0.25}]},
    ),
    ({"segment_data": {"boundaries": [], "segmentSpeeds": {}}}, {}),
    ({"crop_keyframes": None, "highlight_regions": None, "effect_type": "blur"}, {}),
]


@pytest.mark.parametrize(("given", "ours"), SAME)
def test_a_form_is_the_same_as_ours(given: dict[str, Any], ours: dict[str, Any]) -> None:
    assert asked(given) == asked(ours)
    assert parse(given).spec_hash() == parse(ours).spec_hash()
    assert parse(given).mode == ("encode" if ours else "copy")


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"crop_keyframes": []}, "effects.crop_keyframes", "at least one item"),
    ({"crop_keyframes": {}}, "effects.crop_keyframes", "must be a list"),
    ({"crop_keyframes": [3]}, "effects.crop_keyframes[0]", "must be an object"),
    (
        {"crop_keyframes": [{"frame": 0, **CROP}, {"frame": 1, **CROP, "width": 0}]},
        "effects.crop_keyframes[1].width",
        "must be greater than 0",
    ),
    ({"crop_keyframes": [CROP]}, "effects.crop_keyframes[0]", "exactly one of time and frame"),
    ({"crop_keyframes": [{"frame": 0.5, **CROP}]}, "effects.crop_keyframes[0].frame", "whole number"),
    (
        {"crop_keyframes": [{"frame": 0, **CROP, "rotation": 2}]},
        "effects.crop_keyframes[0].rotation",
        "is not supported",
    ),
    (
        {"crop_keyframes": [{"frame": 0, **CROP}], "target_width": 3},
        "effects.target_width",
        "must be an even number",
    ),
    (
        {"crop_keyframes": [{"frame": 0, **CROP}], "framing": {}},
        "effects.crop_keyframes",
        "must not be given together with effects.framing",
    ),
    (
        {"crop_keyframes": [], "cropKeyframes": []},
        "effects.cropKeyframes",
        "must not be given together with effects.crop_keyframes",
    ),
    (
        {"framing": {}, "interpolation": "linear"},
        "effects.interpolation",
        "in effects.framing, give it there",
    ),
    (
        {"highlight_regions": [REGION, {**REGION, "keyframes": [{**POINT, "color": "yellow"}]}]},
        "effects.highlight_regions[1].keyframes[0].color",
        "six hexadecimal digits",
    ),
    (
        {"highlight_regions": [{**REGION, "shape": "ground"}]},
        "effects.highlight_regions[0].shape",
        "not supp",
    ),
    (
        {"highlight_regions": [{**REGION, "keyframes": [{**POINT, "radius_x": 1}]}]},
        "effects.highlight_regions[0].keyframes[0].radius_x",
        "must not be given together with",
    ),
    ({"highlight_regions": [{**REGION, "keyframes": 1}]}, "effects.highlight_regions[0].keyframes", "a list"),
    ({"highlight_regions": [REGION], "effect_type": "glow"}, "effects.effect_type", "'spotlight'"),
    ({"effect_type": "glow"}, "effects.effect_type", "belongs to highlight_regions"),
    ({"overlay": {"regions": []}, "effect_type": "blur"}, "effects.effect_type", "give it there"),
    (
        {"highlight_regions": [REGION], "highlight_keyframes": [POINT]},
        "effects.highlight_keyframes",
        "must not be given together with effects.highlight_regions",
    ),
    (
        {"highlight_keyframes": [POINT, {**POINT, "radiusX": 0}]},
        "effects.highlight_keyframes[1].radiusX",
        "greater than 0",
    ),
    ({"highlight_keyframes": [{**POINT, "time": -1}]}, "effects.highlight_keyframes[0].time", "negative"),
    ({"segment_data": []}, "effects.segment_data", "must be an object"),
    ({"segment_data": {"speed": 1}}, "effects.segment_data.speed", "is not a known field"),
    (
        {"segment_data": {"segments": [{"start": 0, "end": 1, "speed": 9}]}},
        "effects.segment_data.segments[0].speed",
        "must be from 0.25 to 4",
    ),
    (
        {"segment_data": {"segments": [{"start": 0, "end": 31}]}},
        "effects.segment_data.segments[0].end",
        "must be at most 30",
    ),
    (
        {"segment_data": {"segments": []}, "segments": []},
        "effects.segments",
        "must not be given together with effects.segment_data",
    ),
    (
        {"segment_data": {"boundaries": [0, 1], "segments": []}},
        "effects.segment_data.boundaries",
        "must not be given together with effects.segment_data.segments",
    ),
    ({"segment_data": {"boundaries": 3}}, "effects.segment_data.boundaries", "must be a list"),
    ({"segment_data": {"boundaries": [0, 2, 1]}}, "effects.segment_data.boundaries[2]", "at least 2"),
    ({"segment_data": {"boundaries": [0, "x"]}}, "effects.segment_data.boundaries[1]", "must be a number"),
    (
        {"segment_data": {"boundaries": [0, 1], "segmentSpeeds": {"1": 2}}},
        "effects.segment_data.segmentSpeeds.1",
        "is of no segment: there are 1, from 0",
    ),
    (
        {"segment_data": {"boundaries": [0, 1, 2], "segmentSpeeds": {"1": 5}}},
        "effects.segment_data.segmentSpeeds.1",
        "must be from 0.25 to 4",
    ),
    (
        {"segment_data": {"boundaries": [0, 1, 32], "segmentSpeeds": {"1": 2}}},
        "effects.segment_data.boundaries[2]",
        "must be at most 30",
    ),
    ({"trimRange": [1, 2]}, "effects.trimRange", "must be an object with start and end"),
    ({"trimRange": {"start": 31}}, "effects.trimRange.start", "must be less than 30"),
    ({"trimRange": {"start": 3, "end": 2}}, "effects.trimRange.start", "must be less than 2"),
    ({"segment_data": {"trim_end": 31}}, "effects.segment_data.trim_end", "must be at most 30"),
    ({"segment_data": {"trim_start": -1}}, "effects.segment_data.trim_start", "negative"),
    (
        {"segment_data": {"trim_start": 1}, "trimRange": {"start": 2}},
        "effects.trimRange",
        "must not be given together with effects.segment_data",
    ),
    (
        {"trimRange": {"start": 2}, "crop_keyframes": [{"frame": 0, **CROP}, {"frame": 9, **CROP}]},
        "effects.trimRange.start",
        "give their time instead",
    ),
    (
        {"trimRange": {"start": 2}, "crop_keyframes": [{"time": 0, **CROP}, {"time": 9, **CROP}]},
        "effects.trimRange.start",
        "must not be after a keyframe of a spline",
    ),
]


@pytest.mark.parametrize(("given", "field", "words"), WRONG, ids=[f"{row[1]} {row[2]}" for row in WRONG])
def test_errors_have_the_names_of_the_caller(given: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse(given)
    assert caught.value.field == field
    assert caught.value.message.startswith(f"{field} ")
    assert words in caught.value.message


@pytest.mark.parametrize("key", ["include_audio", "includeAudio"])
def test_whether_the_clip_has_audio_is_a_matter_of_its_output(key: str) -> None:
    silent = parse({key: False})
    assert (silent.output.audio, silent.effects.names, silent.mode) == (False, (), "copy")
    assert silent.spec_hash() == parse({}, output={"audio": False}).spec_hash()
    for audible in ({key: True}, {key: None}):
        assert parse(audible).spec_hash() == parse({}).spec_hash()
    with pytest.raises(InvalidRequest, match=f"^effects.{key} must be true or false$"):
        parse({key: "no"})
    with pytest.raises(InvalidRequest, match=f"^effects.{key} must not be given together with output.audio$"):
        parse({key: True}, output={"audio": False})


def test_a_trim_narrows_the_clip() -> None:
    request = parse(
        {"segment_data": {"trim_start": "0:05", "trim_end": 20, "segments": [{"start": 0, "end": 8}]}},
        pre_roll_seconds=2,
        post_roll_seconds=1,
    )
    assert (request.start_seconds, request.end_seconds) == (103.0, 118.0)
    assert (request.in_seconds, request.out_seconds, request.source_seconds) == (103.0, 118.0, 15.0)
    assert [(each.start, each.end) for each in request.effects.segments] == [(0.0, 3.0)]


def test_a_trimmed_clip_may_come_from_a_long_one() -> None:
    request = parse({"trimRange": {"start": 1000, "end": 1010}}, end_seconds=2000)
    assert (request.in_seconds, request.out_seconds) == (1100.0, 1110.0)


def test_segments_outside_the_trim_are_left_out() -> None:
    segments = [{"start": n, "end": n + 2, "speed": 2} for n in (0, 4, 8, 12)]
    found = parse({"segments": segments, "trimRange": {"start": 5, "end": 9}}).effects.segments
    assert [(each.start, each.end) for each in found] == [(0.0, 1.0), (3.0, 4.0)]


def test_a_crop_looks_as_in_the_whole_clip() -> None:
    keyframes = [
        {"time": 0, "x": 0, "y": 0, "width": 100, "height": 200},
        {"time": 0, "x": 9, "y": 9, "width": 9, "height": 9},  # of equal times, the earlier one applies
        {"time": 4, "x": 100, "y": 40, "width": 300, "height": 200},
        {"time": 9, "x": 0, "y": 0, "width": 300, "height": 200},
    ]
    given = {"framing": {"keyframes": keyframes}, "trimRange": {"start": 1}}
    framing = parse(given).effects.framing
    assert framing is not None
    assert [(one.time, one.x, one.y, one.width) for one in framing.keyframes] == [
        (0.0, 25.0, 10.0, 150.0),
        (3.0, 100.0, 40.0, 300.0),
        (8.0, 0.0, 0.0, 300.0),
    ]
    framing = parse({**given, "trimRange": {"start": 20}}).effects.framing
    assert framing is not None
    assert [(one.time, one.x) for one in framing.keyframes] == [(0.0, 0.0)]


def test_a_spline_can_be_trimmed_at_its_first_keyframe() -> None:
    keyframes = [{"time": time, **CROP} for time in (5, 7, 11)]
    framing = parse({"crop_keyframes": keyframes, "trimRange": {"start": 5}}).effects.framing
    assert framing is not None
    assert [one.time for one in framing.keyframes] == [0.0, 2.0, 6.0]
    static = {"crop_keyframes": [{"frame": 0, **CROP}], "trimRange": {"start": 5}}
    assert parse(static).effects.framing == parse({**static, "trimRange": None}).effects.framing


def test_highlights_look_as_in_the_whole_clip() -> None:
    moving = [POINT | {"time": 0, "color": "#000001"}, POINT | {"time": 10, "x": 200, "color": "#000002"}]
    regions = [
        {**REGION, "end_time": 4},  # over before the trim's start
        {**REGION, "end_time": 9, "keyframes": [POINT]},  # nothing is drawn after the last keyframe
        {**REGION, "end_time": 12, "keyframes": moving},
    ]
    overlay = parse({"highlight_regions": regions, "trimRange": {"start": 5}}).effects.overlay
    assert overlay is not None
    (region,) = overlay.regions
    assert (region.start_time, region.end_time) == (0.0, 7.0)
    assert [(one.time, one.x, one.color) for one in region.keyframes] == [
        (0.0, 150.0, "#000001"),
        (5.0, 200.0, "#000002"),
    ]
    assert parse({"highlight_regions": regions, "trimRange": {"start": 13}}).effects.overlay is None


def test_the_documentation_has_every_form() -> None:
    page = (DOCS / "how-to" / "migrate-the-video-editor.md").read_text(encoding="utf-8")
    assert {key for key in KEYS if f"`{key}`" not in page} == set()
    assert {key for form in FORMS for key in form.keys} | {
        key for keys in (*(keys for keys, _ in OPTIONS), INCLUDE_AUDIO) for key in keys
    } == KEYS
