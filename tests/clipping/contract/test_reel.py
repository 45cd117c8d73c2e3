"""The reel request: lengths, transitions, overlaps, the message, the hash and the table."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipping.contract.messages import ClipRequest, RequestMessage
from clipping.contract.reel import (
    MAX_PARTS,
    ReelMessage,
    ReelRequest,
    parse_reel_request,
    parse_work,
    table_of,
)
from clipping.errors import InvalidRequest

MATCH, OTHER = "/nas/match.mp4", "/nas/other.mp4"
NOW = datetime(2026, 11, 20, 8, 15, 30, tzinfo=UTC)
REEL_ID = "reel-20261120-8t3vq0z6m4k1h9pn"
TITLE = {"title": {"name": "Goal"}}
CAPTIONS = {"format": "srt", "text": "1\n00:00:01,000 --> 00:00:02,000\nHi"}


def part(start: float = 0, end: float = 10, **more: Any) -> dict[str, Any]:
    return {"nas_video_path": MATCH, "start_seconds": start, "end_seconds": end, **more}


def parts(count: int, length: float = 10) -> list[dict[str, Any]]:
    return [part(100 * n, 100 * n + length) for n in range(count)]


def body(clips: Any, **more: Any) -> dict[str, Any]:
    return {"reel_id": "best-of", "clips": clips, **more}


def parse(clips: Any, **more: Any) -> ReelRequest:
    return parse_reel_request(body(clips, **more), max_reel_seconds=1800, max_clip_seconds=600)


def refused(clips: Any, **more: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        parse(clips, **more)
    return caught.value


def message(request: ReelRequest) -> ReelMessage:
    return ReelMessage.of(request, request_id=REEL_ID, owner="web", requested_at=NOW)


def test_the_smallest_request() -> None:
    request = parse([part("1:00", "1:10.5")])
    assert (request.mode, request.quality, request.lane) == ("smart", "high", "interactive")
    assert (request.transition.type, request.transition.duration) == ("cut", 0.5)
    assert (request.chapters, request.tsv, request.allow_overlaps) == (True, False, False)
    assert (request.length_seconds, request.source_seconds) == (10.5, 10.5)


@pytest.mark.parametrize(
    ("more", "mode"),
    [
        ({}, "smart"),
        ({"output_quality": "medium"}, "encode"),
        ({"output": {"aspect": "9:16"}}, "encode"),
        ({"output": {"audio": False}}, "smart"),
        ({"output": {"video_codec": "copy"}}, "smart"),
        ({"clips": [part(), part(20, 30, effects=TITLE)]}, "encode"),
        ({"clips": [part(), part(20, 30, effects={})]}, "smart"),
        ({"clips": [part(effects={"captions": CAPTIONS})]}, "encode"),
        ({"output": {"aspect": "9:16", "fit": "smart_crop"}}, "encode"),
        ({"mode": "copy"}, "copy"),
    ],
)
def test_the_mode_follows_from_what_is_requested(more: dict[str, Any], mode: str) -> None:
    request = parse_reel_request({**body([part()]), **more}, max_reel_seconds=1800, max_clip_seconds=600)
    assert request.mode == mode
    assert request.lane == ("batch" if mode == "encode" else "interactive")


@pytest.mark.parametrize(
    ("transition", "starts"),
    [
        ({}, (0, 10, 20, 30)),
        ({"type": "cut", "duration": 3}, (0, 10, 20, 30)),
        ({"type": "fade", "duration": 1}, (0, 10, 20, 30)),
        ({"type": "dissolve"}, (0, 9.5, 19, 29)),
        ({"type": "dissolve", "duration": 0.1}, (0, 9.9, 19.8, 29.8)),
    ],
)
def test_only_a_dissolve_makes_a_reel_shorter(transition: Any, starts: tuple[float, ...]) -> None:
    assert parse(parts(3), transition=transition).starts == starts


@settings(deadline=None)
@given(
    lengths=st.lists(st.integers(11_000, 60_000), min_size=1, max_size=MAX_PARTS),
    kind=st.sampled_from(["cut", "fade", "dissolve"]),
    milliseconds=st.integers(1, 5000),
)
def test_the_length_is_the_sum_without_what_dissolves_share(
    lengths: list[int], kind: str, milliseconds: int
) -> None:
    clips = [part(100 * n, 100 * n + length / 1000) for n, length in enumerate(lengths)]
    request = parse_reel_request(
        body(clips, transition={"type": kind, "duration": milliseconds / 1000}),
        max_reel_seconds=10_000,
        max_clip_seconds=600,
    )
    shared = milliseconds * (len(lengths) - 1) if kind == "dissolve" else 0
    assert request.length_seconds == (sum(lengths) - shared) / 1000
    assert request.source_seconds == sum(lengths) / 1000
    assert len(request.starts) == len(lengths) + 1
    assert list(request.starts) == sorted(request.starts)


def test_rolls_and_speeds_count() -> None:
    slow = {"segments": [{"start": 0, "end": 4, "speed": 0.5}]}
    request = parse([part(2, 10, pre_roll_seconds=3, post_roll_seconds=1), part(20, 30, effects=slow)])
    first, second = request.clips
    assert (first.in_seconds, first.out_seconds, first.length_seconds) == (0, 11, 11)
    assert (second.source_seconds, second.length_seconds) == (10, 14)
    assert request.starts == (0, 11, 25)


@pytest.mark.parametrize(
    ("transition", "lengths", "at"),
    [
        ({"type": "dissolve", "duration": 2}, (2, 4, 2), None),
        ({"type": "dissolve", "duration": 2}, (1.9, 4, 2), 0),
        ({"type": "dissolve", "duration": 2}, (2, 3.9, 2), 1),
        ({"type": "dissolve", "duration": 2}, (2, 4, 1.9), 2),
        ({"type": "fade", "duration": 2}, (1, 2, 1), None),
        ({"type": "fade", "duration": 2}, (1, 1.9, 1), 1),
        ({"type": "fade", "duration": 2}, (0.9, 2, 1), 0),
        ({"type": "cut", "duration": 2}, (0.1, 0.1, 0.1), None),
        ({"type": "dissolve", "duration": 5}, (0.1,), None),  # nothing to dissolve into
    ],
)
def test_a_part_that_is_shorter_than_its_transitions_is_named(
    transition: Any, lengths: tuple[float, ...], at: int | None
) -> None:
    clips = [part(100 * n, 100 * n + length) for n, length in enumerate(lengths)]
    if at is None:
        parse(clips, transition=transition)
        return
    error = refused(clips, transition=transition)
    assert error.field == f"clips[{at}]"
    assert f"clips[{at}] is {lengths[at]:g} s long, and a {transition['type']} of 2 s" in error.message


def test_the_lengths_of_slow_parts_are_exact() -> None:
    # 0.3 / 0.3 is not exactly 1 as a float: it must suffice for a dissolve of 1 s.
    slow = {"segments": [{"start": 0, "end": 0.3, "speed": 0.3}]}
    parse([part(0, 0.3, effects=slow), part(20, 30)], transition={"type": "dissolve", "duration": 1})


@pytest.mark.parametrize(
    ("clips", "at"),
    [
        ([part(0, 10), part(10, 20)], None),
        ([part(10, 20), part(0, 10)], None),
        ([part(0, 10), part(9.9, 20)], 1),
        ([part(0, 10), part(0, 10)], 1),
        ([part(0, 30), part(40, 50), part(10, 20)], 2),
        ([part(0, 10), part(12, 20, pre_roll_seconds=3)], 1),
        ([part(0, 10), part(0, 10, nas_video_path=OTHER)], None),
        ([part(0, 10), part(0, 10, nas_video_path="/nas//./match.mp4")], 1),
        ([part(0, 10), part(5, 15, effects={"trimRange": {"start": 5, "end": 10}})], None),
    ],
)
def test_two_parts_must_not_show_the_same_frames(clips: list[dict[str, Any]], at: int | None) -> None:
    if at is not None:
        error = refused(clips)
        assert error.field == f"clips[{at}]"
        assert error.message.endswith("or set allow_overlaps to true")
    assert len(parse(clips, allow_overlaps=at is not None).clips) == len(clips)


CAPTION = "00:00:01,000 --> 00:00:02,000\nHi"

BAD: list[tuple[str, Any, dict[str, Any], str]] = [
    ("no parts", [], {}, "clips"),
    ("51 parts", parts(51, 1), {}, "clips"),
    ("51 parts, all of them wrong", [{}] * 51, {}, "clips"),
    ("parts in an object", {"0": part()}, {}, "clips"),
    ("a part that is a list", [[]], {}, "clips[0]"),
    ("no path", [part(nas_video_path=None)], {}, "clips[0].nas_video_path"),
    ("a relative path", [part(), part(20, 30, nas_video_path="a.mp4")], {}, "clips[1].nas_video_path"),
    ("an end before the start", [part(), part(20, 15)], {}, "clips[1].end_seconds"),
    ("a part that is too long", [part(), part(20, 621)], {}, "clips[1].end_seconds"),
    ("a reel that is too long", parts(4, 500), {"allow_overlaps": True}, "clips"),
    ("an unknown field of a part", [part(mode="copy")], {}, "clips[0].mode"),
    ("metadata of a part", [part(metadata={"a": "b"})], {}, "clips[0].metadata"),
    ("a title with a line break", [part(title="a\nb")], {}, "clips[0].title"),
    ("a rating of 6", [part(rating=6)], {}, "clips[0].rating"),
    ("a rating that is true", [part(rating=True)], {}, "clips[0].rating"),
    ("21 tags", [part(tags=["a"] * 21)], {}, "clips[0].tags"),
    ("a title of spaces", [part(title="  ")], {}, "clips[0].title"),
    ("an empty tag", [part(tags=["a", ""])], {}, "clips[0].tags[1]"),
    ("a bad hand_id", [part(hand_id="a/b")], {}, "clips[0].hand_id"),
    ("a bad reel_id", [part()], {"reel_id": "a/b"}, "reel_id"),
    ("an unknown transition", [part()], {"transition": {"type": "wipe"}}, "transition.type"),
    ("a transition of 0 s", [part()], {"transition": {"duration": 0}}, "transition.duration"),
    ("a transition of 6 s", [part()], {"transition": {"duration": 6}}, "transition.duration"),
    ("a transition that is a word", [part()], {"transition": "fade"}, "transition"),
    ("copy with a dissolve", parts(2), {"mode": "copy", "transition": {"type": "dissolve"}}, "mode"),
    ("copy with a fade", parts(2), {"mode": "copy", "transition": {"type": "fade"}}, "mode"),
    ("copy with a title", [part(effects=TITLE)], {"mode": "copy"}, "mode"),
    ("smart with a size", [part()], {"mode": "smart", "output": {"width": 640}}, "mode"),
    ("a maximum size", [part()], {"output": {"max_bytes": 10**8}}, "output.max_bytes"),
    ("an unknown field", [part()], {"webhook": "x"}, "webhook"),
    (
        "an unknown rating of a title",
        [*parts(3), part(900, 910, effects={"title": {"name": "x", "rating": 9}})],
        {},
        "clips[3].effects.title.rating",
    ),
    (
        "a segment beyond the part",
        [*parts(3), part(900, 910, effects={"segments": [{"start": 5, "end": 11}]})],
        {},
        "clips[3].effects.segments[0].end",
    ),
    (
        "captions as a text track",
        [part(), part(20, 30, effects={"captions": {**CAPTIONS, "mode": "track"}})],
        {},
        "clips[1].effects.captions.mode",
    ),
    (
        "an editor's form without keyframes",
        [part(effects={"crop_keyframes": []})],
        {},
        "clips[0].effects.crop_keyframes",
    ),
    (
        "a part without its audio",
        [part(effects={"include_audio": False})],
        {},
        "clips[0].effects.include_audio",
    ),
    (
        "a part with a text track",
        [part(effects={"captions": {"format": "srt", "text": CAPTION, "mode": "track"}})],
        {},
        "clips[0].effects.captions.mode",
    ),
]


@pytest.mark.parametrize(("clips", "more", "field"), [bad[1:] for bad in BAD], ids=[bad[0] for bad in BAD])
def test_a_wrong_field_is_named(clips: Any, more: dict[str, Any], field: str) -> None:
    error = refused(clips, **more)
    assert error.field == field
    assert error.message.startswith(field.partition(".")[0]) or field == "clips"
    assert "tuple" not in error.message


def test_the_part_whose_effects_need_an_encode_is_named() -> None:
    error = refused([*parts(2), part(900, 910, effects=TITLE)], mode="smart")
    assert "with clips[2].effects.title" in error.message


@pytest.mark.parametrize("wrong", [None, [], "x", 7])
def test_a_body_that_is_no_object(wrong: Any) -> None:
    with pytest.raises(InvalidRequest, match="the body must be a JSON object"):
        parse_reel_request(wrong, max_reel_seconds=1800, max_clip_seconds=600)


def test_the_message_carries_the_request() -> None:
    effects = {
        "crop_keyframes": [{"frame": 0, "x": 0, "y": 0, "width": 608, "height": 1080}],
        "segments": [{"start": 0, "end": 2, "speed": 0.5}],
        "title": {"name": "Goal", "rating": 5},
    }
    request = parse(
        [part(effects=effects, tags=["a", "b"], rating=4, notes="n", title="t"), part(20, 30)],
        transition={"type": "dissolve", "duration": 0.25},
        tsv=True,
        metadata={"a": "ä"},
    )
    sent = message(request)
    received = parse_work(sent.to_json())
    assert received == sent
    assert isinstance(received, ReelMessage)
    assert received.hand_id == "best-of"
    assert received.spec_hash() == request.spec_hash()
    assert json.loads(sent.to_json())["schema"] == 1


def test_the_message_of_a_clip_is_still_one() -> None:
    clip = ClipRequest(hand_id="h", nas_video_path=MATCH, start_seconds=0, end_seconds=1)
    sent = RequestMessage.of(clip, request_id="clip-20261120-8t3vq0z6m4k1h9pn", owner="web", requested_at=NOW)
    assert parse_work(sent.to_json()) == sent


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff", b'{"reel_id": 1}', b"[" * 100_000])
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidRequest):
        parse_work(data)


def test_the_id_of_a_clip_is_none_of_a_reel() -> None:
    with pytest.raises(ValueError, match="request_id"):
        ReelMessage.of(
            parse([part()]), request_id="clip-20261120-8t3vq0z6m4k1h9pn", owner="web", requested_at=NOW
        )


def test_the_hash_is_that_of_the_content() -> None:
    clips = [part(0, 10), part(20, 30)]
    same = [
        body(clips, reel_id="other", priority="low", metadata={"a": "b"}, allow_overlaps=True),
        body([part("0:02", 10, pre_roll_seconds=2), part(20, 28, post_roll_seconds=2)]),
        body(clips, mode="smart", output={}, transition={"type": "cut"}),
    ]
    others = [
        body(clips[::-1]),
        body(clips[:1]),
        body([part(0, 10), part(20, 30, nas_video_path=OTHER)]),
        body([part(0, 10), part(20, 30.001)]),
        body([part(0, 10), part(20, 30, title="t")]),
        body([part(0, 10), part(20, 30, effects=TITLE)], mode="encode"),
        body(clips, mode="encode"),
        body(clips, mode="copy"),
        body(clips, chapters=False),
        body(clips, tsv=True),
        body(clips, output={"audio": False}),
        body(clips, output={"container": "mkv"}),
        body(clips, output_quality="medium", mode="encode"),
        body(clips, transition={"type": "fade"}),
        body(clips, transition={"type": "fade", "duration": 0.4}),
    ]
    own = parse(clips).spec_hash()
    assert {_hash(each) for each in same} == {own}
    hashes = [own, *(_hash(each) for each in others)]
    assert len(set(hashes)) == len(hashes)


def _hash(request: dict[str, Any]) -> str:
    return parse_reel_request(request, max_reel_seconds=1800, max_clip_seconds=600).spec_hash()


def test_the_table() -> None:
    request = parse_reel_request(
        body(
            [
                part(65.004, 3725.996, hand_id="hand-1", tags=["Goal", "left foot"], rating=4),
                part(0, 9.999, effects={"title": {"name": "Save", "notes": "a\ttab\nand more", "rating": 2}}),
                part(20, 30, title="Title", hand_id="h", rating=1, notes="own", effects=TITLE),
                part(40, 50),
            ],
        ),
        max_reel_seconds=9999,
        max_clip_seconds=9999,
    )
    assert table_of(request) == (
        "start_time\tend_time\tname\trating\ttags\tnotes\n"
        "1:05.00\t62:06.00\thand-1\t4\tGoal,left foot\t\n"
        "0:00.00\t0:10.00\tSave\t2\t\ta tab and more\n"
        "0:20.00\t0:30.00\tTitle\t1\t\town\n"
        "0:40.00\t0:50.00\tPart 4\t\t\t\n"
    )


NOT_CONTROLS = st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"))


@settings(deadline=None)
@given(
    names=st.lists(st.text(NOT_CONTROLS, min_size=1, max_size=20).filter(str.strip), min_size=1, max_size=5),
    notes=st.text(NOT_CONTROLS, min_size=1, max_size=20).filter(str.strip),
)
def test_the_table_has_a_line_of_six_cells_for_each_part(names: list[str], notes: str) -> None:
    request = parse([part(20 * n, 20 * n + 5, title=name, notes=notes) for n, name in enumerate(names)])
    lines = list(csv.reader(StringIO(table_of(request)), delimiter="\t", quoting=csv.QUOTE_NONE))
    assert {len(line) for line in lines} == {6}
    assert [line[2] for line in lines[1:]] == [" ".join(name.split()) for name in names]
