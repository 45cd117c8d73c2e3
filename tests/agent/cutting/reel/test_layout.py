"""How a reel is put together."""

from __future__ import annotations

import itertools
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.cutting.formats.media import Identity, MediaInfo, StreamInfo, VideoInfo
from agent.cutting.plan.spec import PartSpec, ReelSpec
from agent.cutting.reel.layout import (
    Edges,
    Span,
    chapters_of,
    check_long_enough,
    edges_of,
    keyframes_of,
    part_cut,
    requested_length,
    shape_of,
    spans_of,
    transition_frames,
    why_not_copied,
)
from clipping.contract.effects import Effects
from clipping.contract.output import Output
from clipping.errors import RangeBeyondEnd

VIDEO = VideoInfo(
    width=1920,
    height=1080,
    pix_fmt="yuv420p",
    sample_aspect=Fraction(1),
    rate=Fraction(30000, 1001),
    interlaced=False,
    rotation=0,
    full_range=False,
    color_space=1,
    color_primaries=1,
    color_transfer=1,
    reorder_frames=2,
)
STREAM = StreamInfo(
    index=0,
    kind="video",
    codec="h264",
    profile="High",
    time_base=Fraction(1, 90_000),
    start=Fraction(0),
    language=None,
    title=None,
    default=True,
    attached_picture=False,
    video=VIDEO,
)
INFO = MediaInfo("mov", Fraction(0), Fraction(60), Identity(1, 2, 3, 4), (STREAM,), (), None)
PART = PartSpec(Path("a.mp4"), Fraction(1), Fraction(4), "Part")


def spec(**changes: Any) -> ReelSpec:
    base = ReelSpec((PART, PART, PART), "dissolve", Fraction(1, 2), "smart", "high")
    return replace(base, **changes)


def info(**video: Any) -> MediaInfo:
    return replace(INFO, streams=(replace(STREAM, video=replace(VIDEO, **video)),))


@pytest.mark.parametrize(
    ("output", "first", "expected"),
    [
        ({}, {}, (1920, 1080, 29.97)),
        ({}, {"rotation": 90}, (1080, 1920, 29.97)),
        ({}, {"width": 720, "height": 576, "sample_aspect": Fraction(64, 45)}, (1024, 576, 29.97)),
        ({}, {"rate": None}, (1920, 1080, 25.0)),
        ({}, {"rate": Fraction(240)}, (1920, 1080, 120.0)),
        ({}, {"rate": Fraction(359, 12)}, (1920, 1080, 29.97)),
        ({}, {"rate": Fraction(15)}, (1920, 1080, 15.0)),
        ({"aspect": "9:16"}, {}, (1080, 1920, 29.97)),
        ({"width": 640}, {}, (640, 360, 29.97)),
        ({"fps": 50.0}, {}, (1920, 1080, 50.0)),
    ],
)
def test_the_shape_is_that_of_the_first_part_unless_it_is_named(
    output: dict[str, Any], first: dict[str, Any], expected: tuple[int, int, float]
) -> None:
    shape = shape_of(spec(output=Output(**output)), info(**first))
    assert (shape.width, shape.height, shape.rate) == expected


def test_ntsc_rates_are_exact() -> None:
    assert shape_of(spec(), INFO).exact_rate == Fraction(30000, 1001)


def test_framing_of_the_first_part_decides_the_size() -> None:
    framed = Effects.model_validate(
        {
            "framing": {
                "keyframes": [{"time": 0, "x": 0, "y": 0, "width": 540, "height": 960}],
                "target_width": 540,
                "target_height": 960,
            }
        }
    )
    shape = shape_of(spec(parts=(replace(PART, effects=framed), PART)), INFO)
    assert (shape.width, shape.height) == (540, 960)


@pytest.mark.parametrize(
    ("transition", "seconds", "frames"),
    [
        ("cut", "0.5", 0),
        ("dissolve", "0.5", 12),
        ("fade", "0.5", 6),
        ("fade", "0.01", 1),
        ("dissolve", "0.01", 1),
    ],
)
def test_the_frames_that_a_transition_changes_of_each_part(
    transition: Any, seconds: str, frames: int
) -> None:
    changed = spec(transition=transition, transition_seconds=Fraction(seconds))
    assert transition_frames(changed, Fraction(25)) == frames


def test_the_ends_of_a_reel_have_no_transition() -> None:
    assert [edges_of(index, 3, 5) for index in range(3)] == [Edges(0, 5), Edges(5, 5), Edges(5, 0)]
    assert edges_of(0, 1, 5) == Edges(0, 0)


def test_a_part_must_be_as_long_as_its_transitions() -> None:
    check_long_enough(10, Edges(5, 5))
    with pytest.raises(RangeBeyondEnd, match="only 9 frames there, and the transitions need 10"):
        check_long_enough(9, Edges(5, 5))


def test_keyframes_are_where_the_body_is_cut_out() -> None:
    rate = Fraction(25)
    assert keyframes_of(100, Edges(10, 10), rate) == (Fraction(10, 25), Fraction(90, 25))
    assert keyframes_of(100, Edges(0, 10), rate) == (Fraction(90, 25),)
    assert keyframes_of(20, Edges(10, 10), rate) == (Fraction(10, 25), Fraction(10, 25))
    assert keyframes_of(10, Edges(0, 10), rate) == ()


def test_encoded_parts_have_one_shape_and_one_way_of_encoding() -> None:
    shape = shape_of(spec(), INFO)
    cut = part_cut(PART, "encode", spec(), shape)
    assert (cut.output.width, cut.output.height, cut.output.fps) == (1920, 1080, 29.97)
    assert (cut.output.fit, cut.output.audio, cut.refined) == ("letterbox", False, False)
    short = spec(output=Output(aspect="9:16"))
    cut = part_cut(PART, "encode", short, shape_of(short, INFO))
    assert (cut.output.fit, cut.refined) == ("center_crop", True)
    assert part_cut(PART, "smart", spec()).output == Output(audio=False, container="mp4")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"width": 1280}, "the frame size of clips[1] is 1280x1080, that of clips[0] is 1920x1080"),
        ({"pix_fmt": "yuv422p"}, "the pixel format of clips[1] is yuv422p, that of clips[0] is yuv420p"),
        ({"sample_aspect": Fraction(2)}, "the pixel aspect of clips[1] is 2, that of clips[0] is 1"),
        ({"rotation": 90}, "the rotation of clips[1] is 90, that of clips[0] is 0"),
        ({"rate": Fraction(50)}, None),
    ],
)
def test_parts_that_differ_can_not_be_copied(changes: dict[str, Any], reason: str | None) -> None:
    assert why_not_copied(spec(), [INFO, info(**changes)]) == reason


def test_other_codecs_are_encoded() -> None:
    hevc = replace(INFO, streams=(replace(STREAM, codec="hevc"),))
    assert why_not_copied(spec(), [hevc]) == "hevc can't be joined without encoding"
    assert "hevc" in str(why_not_copied(spec(), [INFO, hevc]))


def test_interlaced_frames_are_not_mixed() -> None:
    assert why_not_copied(spec(), [info(interlaced=True)]) is not None
    assert why_not_copied(spec(transition="cut"), [info(interlaced=True)]) is None


def test_the_requested_length_is_that_of_the_request() -> None:
    slow = Effects.model_validate({"segments": [{"start": 0, "end": 1, "speed": 0.5}]})
    parts = (PART, replace(PART, effects=slow))
    assert requested_length(spec(parts=parts)) == 3 + 4 - 0.5
    assert requested_length(spec(parts=parts, transition="fade")) == 3 + 4


lengths = st.lists(st.fractions(Fraction(1), Fraction(10), max_denominator=1000), min_size=1, max_size=50)


@given(lengths, st.fractions(Fraction(0), Fraction(1, 2), max_denominator=100))
def test_spans_follow_each_other_with_their_overlaps(found: list[Fraction], overlap: Fraction) -> None:
    spans = spans_of(found, [overlap] * (len(found) - 1))
    assert spans[0].start == 0
    assert [span.end - span.start for span in spans] == found
    assert all(a.end - b.start == overlap for a, b in itertools.pairwise(spans))
    assert spans[-1].end == sum(found) - overlap * (len(found) - 1)


@given(lengths)
def test_chapters_have_no_gaps(found: list[Fraction]) -> None:
    spans = spans_of(found, [Fraction(1, 4)] * (len(found) - 1))
    chapters = chapters_of([PART] * len(found), spans)
    assert chapters[0].start == 0
    assert chapters[-1].end == spans[-1].end
    assert all(a.end == b.start for a, b in itertools.pairwise(chapters))


def test_a_chapter_ends_where_the_next_part_begins() -> None:
    spans = [Span(Fraction(0), Fraction(3)), Span(Fraction(5, 2), Fraction(5))]
    chapters = chapters_of([PART, replace(PART, title="Next")], spans)
    assert [(c.title, c.start, c.end) for c in chapters] == [
        ("Part", Fraction(0), Fraction(5, 2)),
        ("Next", Fraction(5, 2), Fraction(5)),
    ]
