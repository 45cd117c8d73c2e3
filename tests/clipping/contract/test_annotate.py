"""The video editor's annotations: what each becomes, and that the service takes it."""

from __future__ import annotations

import csv
from io import StringIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipping.contract.annotate import Annotations, annotate
from clipping.contract.messages import ClipRequest, parse_clip_request
from clipping.contract.reel import ReelRequest, parse_reel_request, table_of
from clipping.errors import InvalidRequest

MATCH = "/nas/match.mp4"
FORM: dict[str, Any] = {
    "clips": [
        {
            "start_time": 150.5,
            "end_time": 165.25,
            "name": "Brilliant Goal",
            "notes": "Amazing finish\nfrom outside the box",
            "rating": 5,
            "tags": ["Goal", "Dribble"],
        },
        {"start_time": 160, "end_time": 170, "name": "", "notes": "", "rating": 2, "tags": ["turnover"]},
        {"start_time": 4680, "end_time": 4690.5, "name": "  ", "tags": []},
        {"start_time": "2:00", "end_time": "2:10", "rating": 4, "tags": ["save", "Positioning", "goal kick"]},
        {"start_time": 200, "end_time": 201, "name": None, "notes": None, "rating": None, "tags": None},
    ]
}
"""As the editor saves a game; two of them overlap."""
NAMES = [
    "Brilliant Goal",
    "Unfortunate Turnover",
    "Clip 3",
    "Good Save, Positioning and Goal kick",
    "Clip 5",
]


def translate(form: object = FORM, **options: Any) -> Annotations:
    return annotate(form, recording=MATCH, name="game-7", **options)


def reel_of(body: dict[str, Any]) -> ReelRequest:
    return parse_reel_request(body, max_reel_seconds=1800, max_clip_seconds=600)


def clip_of(body: dict[str, Any]) -> ClipRequest:
    return parse_clip_request(body, max_clip_seconds=600)


def test_the_review_has_every_annotation_with_its_title() -> None:
    reel = reel_of(translate().review)
    assert (reel.reel_id, reel.mode, reel.transition.type, reel.tsv) == ("game-7", "encode", "cut", True)
    assert [(part.in_seconds, part.out_seconds) for part in reel.clips] == [
        (150.5, 165.25),
        (160, 170),
        (4680, 4690.5),
        (120, 130),
        (200, 201),
    ]
    titles = [part.effects.title for part in reel.clips]
    assert [title and title.name for title in titles] == NAMES
    assert [title and title.rating for title in titles] == [5, 2, 3, 4, 3]
    assert [title and title.notes for title in titles] == [
        "Amazing finish from outside the box",
        None,
        None,
        None,
        None,
    ]
    assert [part.name(index) for index, part in enumerate(reel.clips)] == NAMES


def test_the_table_is_the_same_with_and_without_a_reel() -> None:
    found = translate()
    assert found.table == table_of(reel_of(found.review))
    assert found.table == (
        "start_time\tend_time\tname\trating\ttags\tnotes\n"
        "2:30.50\t2:45.25\tBrilliant Goal\t5\tGoal,Dribble\tAmazing finish from outside the box\n"
        "2:40.00\t2:50.00\tUnfortunate Turnover\t2\tturnover\t\n"
        "78:00.00\t78:10.50\tClip 3\t3\t\t\n"
        "2:00.00\t2:10.00\tGood Save, Positioning and Goal kick\t4\tsave,Positioning,goal kick\t\n"
        "3:20.00\t3:21.00\tClip 5\t3\t\t\n"
    )


def test_good_annotations_become_clips() -> None:
    first, second = (clip_of(body) for body in translate().clips)
    assert (first.hand_id, first.mode) == ("game-7-01-Brilliant-Goal", "copy")
    assert (first.nas_video_path, first.in_seconds, first.out_seconds) == (MATCH, 150.5, 165.25)
    assert first.metadata == {
        "title": "Brilliant Goal",
        "description": "Amazing finish from outside the box",
        "rating": "5",
        "tags": "Goal,Dribble",
    }
    assert second.hand_id == "game-7-04-Good-Save-Positioning-and-Goal-kick"
    assert "description" not in second.metadata


@pytest.mark.parametrize(("lowest", "count"), [(1, 5), (3, 4), (4, 2), (5, 1)])
def test_the_lowest_rating_of_a_clip_can_be_chosen(lowest: int, count: int) -> None:
    assert len(translate(min_rating=lowest).clips) == count


def test_the_mode_of_clips_can_be_chosen() -> None:
    assert {clip_of(body).mode for body in translate(mode="smart").clips} == {"smart"}


@pytest.mark.parametrize(
    ("rating", "tags", "name"),
    [
        (1, ["Goal"], "Bad Goal"),
        (2, ["Goal", "Dribble"], "Unfortunate Goal and Dribble"),
        (3, ["a", "b", "c"], "Interesting A, B and C"),
        (4, ["  "], "Clip 1"),
        (5, ["éclair"], "Brilliant Éclair"),
        (5, [], "Clip 1"),
    ],
)
def test_an_annotation_without_a_name_gets_one(rating: int, tags: list[str], name: str) -> None:
    form = {"clips": [{"start_time": 0, "end_time": 1, "rating": rating, "tags": tags}]}
    title = reel_of(translate(form).review).clips[0].effects.title
    assert title is not None
    assert title.name == name


def test_the_list_alone_is_enough_and_further_keys_are_ignored() -> None:
    clips = [{"id": 7, "start_time": 0, "end_time": 1, "position": {"x": 1}}]
    assert translate(clips) == translate({"clips": clips, "video": "x"})


CLIP = {"start_time": 0, "end_time": 1}


@pytest.mark.parametrize(
    ("form", "field"),
    [
        (None, "clips"),
        ("x", "clips"),
        ({}, "clips"),
        ({"clips": []}, "clips"),
        ({"clips": [CLIP] * 1001}, "clips"),
        ({"clips": [CLIP, 7]}, "clips[1]"),
        ({"clips": [CLIP, {"end_time": 1}]}, "clips[1].start_time"),
        ({"clips": [CLIP, {"start_time": 3, "end_time": 3}]}, "clips[1].end_time"),
        ({"clips": [{**CLIP, "start_time": -1}]}, "clips[0].start_time"),
        ({"clips": [{**CLIP, "rating": 6}]}, "clips[0].rating"),
        ({"clips": [{**CLIP, "rating": True}]}, "clips[0].rating"),
        ({"clips": [{**CLIP, "name": "x" * 201}]}, "clips[0].name"),
        ({"clips": [{**CLIP, "notes": "x" * 1001}]}, "clips[0].notes"),
        ({"clips": [{**CLIP, "tags": "Goal"}]}, "clips[0].tags"),
        ({"clips": [{**CLIP, "tags": ["Goal", 7]}]}, "clips[0].tags[1]"),
    ],
)
def test_a_wrong_field_is_named(form: Any, field: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        translate(form)
    assert caught.value.field == field


NAMED = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=60)


@settings(deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {"start_time": st.integers(0, 9000), "name": NAMED, "notes": NAMED},
            optional={"rating": st.integers(1, 5), "tags": st.lists(NAMED, max_size=4)},
        ),
        min_size=1,
        max_size=20,
    ),
    st.text("aZ9._-", max_size=127),
)
def test_whatever_is_annotated_the_service_takes(forms: list[dict[str, Any]], name: str) -> None:
    clips = [{**form, "end_time": form["start_time"] + 10} for form in forms]
    found = annotate({"clips": clips}, recording=MATCH, name=f"a{name}", min_rating=1)
    reel = reel_of(found.review)
    ids = [clip_of(body).hand_id for body in found.clips]
    assert len(reel.clips) == len(clips) == len(set(ids))
    lines = list(csv.reader(StringIO(found.table), delimiter="\t", quoting=csv.QUOTE_NONE))
    assert [len(line) for line in lines] == [6] * (len(clips) + 1)
