"""The effects of a request: what is accepted, and which field an error names."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipping.contract.effects import Effects
from clipping.contract.messages import ClipRequest, RequestMessage, parse_clip_request
from clipping.errors import InvalidRequest
from clipping.ids import new_request_id

NOW = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
GOOD: dict[str, Any] = {
    "hand_id": "hand-154",
    "nas_video_path": "/nas/night.mp4",
    "start_seconds": 10,
    "end_seconds": 40,
}
CROP = {"time": 0, "x": 10.5, "y": 0, "width": 607.5, "height": 1080}
ELLIPSE = {"time": 0, "x": 100, "y": 50, "radiusX": 20, "radiusY": 40}
REGION = {"start_time": 0, "end_time": 2, "keyframes": [ELLIPSE]}
EVERYTHING: dict[str, Any] = {
    "framing": {
        "keyframes": [CROP, {"frame": 30, "x": 0, "y": 0, "width": 607, "height": 1080}],
        "interpolation": "spline",
        "target_width": 720,
        "target_height": 1280,
    },
    "segments": [{"start": 0, "end": "0:10", "speed": 0.5}, {"start": 20.5, "end": 30}],
    "overlay": {
        "effect_type": "spotlight",
        "space": "framed",
        "regions": [
            {
                "id": "r1",
                "start_time": "0:01.5",
                "end_time": 3,
                "enabled": False,
                "keyframes": [{**ELLIPSE, "opacity": 0.5, "color": "#a0B1c2"}],
                "videoWidth": 1280,
                "videoHeight": 720,
            }
        ],
    },
    "title": {"name": "50 % off: it's, {here} 한국 ♠", "notes": "n" * 1000, "rating": 5},
}


def parse(effects: Any, **changes: Any) -> ClipRequest:
    return parse_clip_request({**GOOD, **changes, "effects": effects}, max_clip_seconds=600)


def refused(effects: Any, **changes: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        parse(effects, **changes)
    return caught.value


def blamed(effects: Any) -> str:
    """The field that the error names."""
    try:
        parse(effects)
    except InvalidRequest as error:
        return error.field or ""
    return "nothing"


def test_all_effects_travel_unchanged() -> None:
    request = parse(EVERYTHING)
    assert (request.mode, request.lane) == ("encode", "batch")
    assert request.effects.names == ("framing", "segments", "overlay", "title")
    assert request.effects.framing is not None
    assert request.effects.framing.keyframes[1].frame == 30
    assert [(each.start, each.end, each.speed) for each in request.effects.segments] == [
        (0.0, 10.0, 0.5),
        (20.5, 30.0, 1.0),
    ]
    sent = RequestMessage.of(request, request_id=new_request_id(NOW), owner="web", requested_at=NOW)
    received = RequestMessage.from_json(sent.to_json())
    assert received.effects == request.effects
    assert received.spec_hash() == request.spec_hash()
    region = json.loads(sent.to_json())["effects"]["overlay"]["regions"][0]
    assert (region["videoWidth"], region["keyframes"][0]["radiusX"]) == (1280, 20)


@pytest.mark.parametrize("name", EVERYTHING)
def test_any_effect_needs_an_encode(name: str) -> None:
    effects = {name: EVERYTHING[name]}
    effects[name] = {**effects[name], "space": "source"} if name == "overlay" else effects[name]
    assert parse(effects).mode == "encode"
    for mode in ("copy", "smart"):
        error = refused(effects, mode=mode)
        assert error.field == "mode"
        assert f"effects.{name}" in error.message
    error = refused(effects, output={"video_codec": "copy"})
    assert (error.field, f"with effects.{name}" in error.message) == ("output.video_codec", True)


CAPTIONS = {"format": "srt", "text": "00:00:01,000 --> 00:00:02,000\nHi <b>there</b>", "mode": "track"}


def test_captions_need_an_encode_only_where_they_are_drawn() -> None:
    for mode in ("copy", "smart", "encode"):
        assert parse({"captions": CAPTIONS}, mode=mode).mode == mode
    track = parse({"captions": CAPTIONS})
    assert (track.mode, track.lane, track.effects.names) == ("copy", "interactive", ("captions",))
    assert parse({"captions": CAPTIONS}, output={"video_codec": "copy"}).mode == "copy"
    assert parse({"captions": CAPTIONS, "title": {"name": "Goal"}}).mode == "encode"
    burned = {**CAPTIONS, "mode": "burn"}
    assert parse({"captions": burned}).mode == "encode"
    default = {name: value for name, value in CAPTIONS.items() if name != "mode"}
    assert parse({"captions": default}).spec_hash() == parse({"captions": burned}).spec_hash()
    error = refused({"captions": burned}, mode="smart")
    assert error.message.endswith("copied frames can't be changed; effects.captions may have mode track")
    hashes = {
        parse({"captions": {**CAPTIONS, **more}}, mode="encode").spec_hash()
        for more in ({}, {"mode": "burn"})
    }
    assert len({*hashes, parse({}, mode="encode").spec_hash()}) == 3


def test_captions_travel_unchanged() -> None:
    request = parse({"captions": CAPTIONS})
    sent = RequestMessage.of(request, request_id=new_request_id(NOW), owner="web", requested_at=NOW)
    assert RequestMessage.from_json(sent.to_json()).effects == request.effects


def test_captions_keep_their_place_when_the_clip_is_trimmed() -> None:
    text = "\n\n".join(f"00:00:{n:02},000 --> 00:00:{n + 1:02},500\n{n}" for n in (1, 4, 8))
    for mode in ("burn", "track"):
        captions = {"format": "srt", "text": text, "mode": mode}
        trimmed = parse({"captions": captions, "trimRange": {"start": 2, "end": 8}}).effects.captions
        assert trimmed is not None
        assert trimmed.mode == mode
        shown = [(cue.start, cue.end, cue.text) for cue in trimmed.read().cues]
        assert shown == [(0, 500, "1"), (2000, 3500, "4")]
    late = parse({"captions": captions, "trimRange": {"start": 20, "end": 22}})
    assert late.effects.captions is None


@pytest.mark.parametrize("effects", [{}, {"framing": None}, {"segments": []}, {"crop_keyframes": None}])
def test_no_effect_changes_nothing(effects: Any) -> None:
    request = parse(effects)
    assert (request.mode, request.effects.names) == ("copy", ())
    assert request.spec_hash() == parse_clip_request(GOOD, max_clip_seconds=600).spec_hash()


def test_the_spec_hash_is_of_what_is_drawn() -> None:
    def hashed(**region: Any) -> str:
        return parse({"overlay": {"regions": [{**REGION, **region}]}}).spec_hash()

    assert hashed() == hashed(id="another name")
    assert len({hashed(), hashed(end_time=3), hashed(enabled=False)}) == 3


def crop(**changes: Any) -> dict[str, Any]:
    return {"framing": {"keyframes": [CROP, CROP, CROP, {**CROP, **changes}]}}


def without(name: str) -> dict[str, Any]:
    return {"framing": {"keyframes": [{key: value for key, value in CROP.items() if key != name}]}}


def ellipse(**changes: Any) -> dict[str, Any]:
    return {"overlay": {"regions": [REGION, {**REGION, "keyframes": [ELLIPSE, {**ELLIPSE, **changes}]}]}}


def region(**changes: Any) -> dict[str, Any]:
    return {"overlay": {"regions": [{**REGION, **changes}]}}


def segments(*given: Any) -> dict[str, Any]:
    return {"segments": list(given)}


KEYFRAME = "effects.framing.keyframes[3]"
POINT = "effects.overlay.regions[1].keyframes[1]"
WRONG: list[tuple[Any, str, str]] = [
    ([], "effects", "must be an object"),
    (None, "effects", "must be an object"),
    ({"framng": {}}, "effects.framng", "is not a known field"),
    ({"framing": []}, "effects.framing", "must be an object"),
    ({"framing": {}}, "effects.framing.keyframes", "is required"),
    ({"framing": {"keyframes": []}}, "effects.framing.keyframes", "must have at least one item"),
    ({"framing": {"keyframes": {}}}, "effects.framing.keyframes", "must be a list"),
    ({"framing": {"keyframes": [CROP] * 10_001}}, "effects.framing.keyframes", "at most 10000 items"),
    ({"framing": {"keyframes": [7]}}, "effects.framing.keyframes[0]", "must be an object"),
    (crop(width=0), f"{KEYFRAME}.width", "must be greater than 0"),
    (crop(height=-1), f"{KEYFRAME}.height", "must be greater than 0"),
    (crop(width=65537), f"{KEYFRAME}.width", "must be at most 65536"),
    (crop(x=-65537), f"{KEYFRAME}.x", "must be from -65536 to 65536"),
    (crop(y="1"), f"{KEYFRAME}.y", "must be a number"),
    (crop(y=True), f"{KEYFRAME}.y", "must be a number"),
    (crop(y=10**400), f"{KEYFRAME}.y", "must be a number"),
    (crop(y=float("nan")), f"{KEYFRAME}.y", "must be a finite number"),
    (crop(time=-1), f"{KEYFRAME}.time", "must not be negative"),
    (crop(time=float("inf")), f"{KEYFRAME}.time", "must be a finite number"),
    (crop(time="soon"), f"{KEYFRAME}.time", "must be a number of seconds or a time"),
    (crop(time=2e9), f"{KEYFRAME}.time", "must be at most"),
    (crop(frame=5), KEYFRAME, "must have exactly one of time and frame"),
    (crop(time=None), KEYFRAME, "must have exactly one of time and frame"),
    (crop(time=None, frame=-1), f"{KEYFRAME}.frame", "must not be negative"),
    (crop(time=None, frame=1.5), f"{KEYFRAME}.frame", "must be a whole number"),
    (crop(time=None, frame=10**400), f"{KEYFRAME}.frame", "must be"),
    (crop(origin="user"), f"{KEYFRAME}.origin", "is not a known field"),
    (without("time"), "effects.framing.keyframes[0]", "exactly one"),
    (without("width"), "effects.framing.keyframes[0].width", "is required"),
    (
        {"framing": {"keyframes": [CROP], "interpolation": "cubic"}},
        "effects.framing.interpolation",
        "must be 'linear' or 'spline'",
    ),
    ({"framing": {"keyframes": [CROP], "target_width": 641}}, "effects.framing.target_width", "even number"),
    ({"framing": {"keyframes": [CROP], "target_height": 14}}, "effects.framing.target_height", "even number"),
    (
        {"framing": {"keyframes": [CROP], "target_width": 7680, "target_height": 7680}},
        "effects.framing.target_height",
        "33177600 pixels are the maximum",
    ),
    (segments(7), "effects.segments[0]", "must be an object"),
    (segments({"start": 0, "end": 1, "speed": 0.2}), "effects.segments[0].speed", "must be from 0.25 to 4"),
    (segments({"start": 0, "end": 1, "speed": 4.1}), "effects.segments[0].speed", "must be from 0.25 to 4"),
    (segments({"start": 1, "end": 1}), "effects.segments[0].end", "must be greater than start"),
    (segments({"start": 0, "end": 30.01}), "effects.segments[0].end", "must be at most 30, the length"),
    (
        segments({"start": 0, "end": 2}, {"start": 1.5, "end": 3}),
        "effects.segments[1].start",
        "must be at least 2, the end of the segment before it",
    ),
    (segments({"start": 5, "end": 6}, {"start": 0, "end": 1}), "effects.segments[1].start", "at least 6"),
    (segments(*[{"start": 0, "end": 1}] * 201), "effects.segments", "must have at most 200 items"),
    ({"overlay": {}}, "effects.overlay.regions", "is required"),
    ({"overlay": {"regions": [REGION] * 1001}}, "effects.overlay.regions", "at most 1000 items"),
    ({"overlay": {"regions": [], "effect_type": "glow"}}, "effects.overlay.effect_type", "'spotlight'"),
    (region(keyframes=[]), "effects.overlay.regions[0].keyframes", "at least one"),
    (region(end_time=-1), "effects.overlay.regions[0].end_time", "must not be negative"),
    (region(start_time=3), "effects.overlay.regions[0].end_time", "must be at least start_time"),
    (region(enabled=1), "effects.overlay.regions[0].enabled", "must be true or false"),
    (region(id=1.5), "effects.overlay.regions[0].id", "must be a string or a whole number"),
    (region(id="x" * 129), "effects.overlay.regions[0].id", "at most 128 characters"),
    (region(videoWidth=10), "effects.overlay.regions[0]", "both videoWidth and videoHeight"),
    (region(videoWidth=10, videoHeight=0), "effects.overlay.regions[0].videoHeight", "greater than 0"),
    (ellipse(radiusX=0), f"{POINT}.radiusX", "must be greater than 0"),
    (ellipse(radius_y=3), f"{POINT}.radius_y", "is not a known field"),
    (ellipse(opacity=1.1), f"{POINT}.opacity", "must be from 0 to 1"),
    *(
        (ellipse(color=color), f"{POINT}.color", "six hexadecimal digits")
        for color in ("yellow", "#FFF", "FFFF00", "#FFFF0G", "#FFFF00\n", "#FFFF0000", "")
    ),
    (ellipse(color=None), f"{POINT}.color", "must be a string"),
    ({"title": {}}, "effects.title.name", "is required"),
    ({"title": {"name": ""}}, "effects.title.name", "1 to 200 characters"),
    ({"title": {"name": " \n"}}, "effects.title.name", "1 to 200 characters"),
    ({"title": {"name": "x" * 201}}, "effects.title.name", "1 to 200 characters"),
    ({"title": {"name": "x", "notes": "x" * 1001}}, "effects.title.notes", "at most 1000"),
    *(
        ({"title": {"name": "x", "rating": rating}}, "effects.title.rating", "must be 1, 2, 3, 4 or 5")
        for rating in (0, 6, "5", True, None)
    ),
]


@pytest.mark.parametrize(("effects", "field", "words"), WRONG, ids=[f"{r[1]} {r[2]}" for r in WRONG])
def test_errors_name_the_keyframe(effects: Any, field: str, words: str) -> None:
    error = refused(effects)
    assert error.field == field
    assert error.message.startswith(f"{field} ")
    assert words in error.message


def test_segments_may_pass_the_end_by_a_rounding() -> None:
    request = parse(segments({"start": 0, "end": 30.0004, "speed": 2}))
    assert request.effects.segments[0].end == 30
    assert parse(segments({"start": 30, "end": 30.0004})).effects.segments == ()


def test_times_count_from_the_pre_roll() -> None:
    half_speed = segments({"start": 0, "end": 35, "speed": 0.5})
    assert parse(half_speed, pre_roll_seconds=5).length_seconds == 70
    assert refused(half_speed).field == "effects.segments[0].end"


def test_the_finished_clip_is_not_too_long_either() -> None:
    slow = segments({"start": 0, "end": 300, "speed": 0.5})
    assert parse(slow, end_seconds=310).length_seconds == 600
    error = refused(segments({"start": 0, "end": 300, "speed": 0.4}), end_seconds=310)
    assert error.field == "effects.segments"
    assert "750 s long; the longest allowed is 600 s" in error.message
    with pytest.raises(InvalidRequest, match=r"longest 9:16 is 180 s"):
        parse_clip_request(
            {
                **GOOD,
                "output": {"aspect": "9:16"},
                "effects": segments({"start": 0, "end": 30, "speed": 0.25}),
            }
            | {"end_seconds": 110},
            max_clip_seconds=600,
            max_short_seconds=180,
        )


@pytest.mark.parametrize(
    ("output", "field"),
    [
        ({"aspect": "9:16"}, None),
        ({"aspect": "9:16", "fit": "blur"}, None),
        ({"width": 1080}, None),
        ({"height": 1920}, None),
        ({"width": 1080, "height": 1920, "fps": 25, "quality": "medium"}, None),
        ({"aspect": "source", "max_bytes": 10**6, "container": "mkv"}, None),
        ({"aspect": "16:9"}, "output.aspect"),
        ({"aspect": "9:16", "width": 720}, "output.aspect"),
        ({"width": 720}, "output.width"),
        ({"height": 1080}, "output.height"),
        ({"width": 720, "height": 1280, "fit": "blur"}, "output.width"),
    ],
)
def test_framing_sets_the_size(output: dict[str, Any], field: str | None) -> None:
    effects = {"framing": {"keyframes": [CROP]}}
    if field is None:
        assert parse(effects, output=output).mode == "encode"
        return
    error = refused(effects, output=output)
    assert error.field == field
    assert "1080x1920, which effects.framing.target_width and target_height set" in error.message


def test_a_smart_crop_finds_its_framing_itself() -> None:
    request = parse({}, output={"aspect": "9:16", "fit": "smart_crop"})
    assert (request.mode, request.output.size) == ("encode", (1080, 1920))
    error = refused({"framing": {"keyframes": [CROP]}}, output={"aspect": "9:16", "fit": "smart_crop"})
    assert error.field == "output.fit"
    assert "must not be smart_crop with effects.framing" in error.message
    error = refused({}, output={"fit": "smart_crop"})
    assert error.message == "output.fit needs an aspect, or both width and height"


@pytest.mark.parametrize("space", ["source", "framed"])
def test_only_framed_video_has_framed_coordinates(space: str) -> None:
    effects = {"overlay": {"regions": [], "space": space}}
    assert parse(effects, output={"aspect": "9:16", "fit": "smart_crop"})
    assert parse({**effects, "framing": {"keyframes": [CROP]}})
    if space == "source":
        assert parse(effects)
        return
    error = refused(effects)
    assert error.field == "effects.overlay.space"
    assert "without effects.framing" in error.message


def _trees() -> st.SearchStrategy[Any]:
    scalars = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(10**20), 10**20),
        st.floats(),
        st.sampled_from(["0:05", "#FFFFFF", "linear", "spotlight", "framed", "", "x"]),
    )
    names = st.sampled_from(sorted(NAMES))
    return st.recursive(
        scalars,
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=4)),
        max_leaves=12,
    )


NAMES = {
    *Effects.model_fields,
    *("crop_keyframes", "highlight_regions", "highlight_keyframes", "effect_type", "segment_data"),
    *("trimRange", "boundaries", "segmentSpeeds", "trim_start", "trim_end", "keyframes", "regions", "0"),
    *("time", "frame", "x", "y", "width", "height", "radiusX", "start", "end", "speed", "name", "rating"),
    *("start_time", "end_time", "enabled", "videoWidth", "interpolation", "target_width", "origin"),
}


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.dictionaries(st.sampled_from(sorted(NAMES)), _trees(), max_size=4), _trees()))
def test_any_tree_is_accepted_or_refused_with_a_field(tree: Any) -> None:
    assert blamed(tree).partition(".")[0] in ("nothing", "effects", "mode", "output", "end_seconds")


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_change_of_a_good_tree_is_accepted_or_refused_with_its_path(data: st.DataObject) -> None:
    tree = json.loads(json.dumps(EVERYTHING))
    node, path = tree, "effects"
    while isinstance(node, dict | list) and node:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        key = data.draw(st.sampled_from(keys))
        path += f"[{key}]" if isinstance(node, list) else f".{key}"
        if not isinstance(node[key], dict | list) or data.draw(st.integers(0, 4)) == 0:
            node[key] = data.draw(_trees())
            break
        node = node[key]
    assert blamed(tree).startswith(("nothing", "effects"))
