"""When captions are shown."""

from __future__ import annotations

from fractions import Fraction

import pytest

from agent.cutting.plan.captions import Caption, caption_warnings, captions_at, one_at_a_time
from agent.cutting.plan.speed import speed_of
from clipping.contract.caption_file import Cue
from clipping.contract.caption_markup import Run
from clipping.contract.effects import Effects, SpeedSegment

CUES = [
    Cue(0, 1000, (Run("a"),)),
    Cue(500, 3000, (Run("b"),)),
    Cue(2000, 2500, (Run("c"),)),
    Cue(9000, 9500, (Run("d"),)),
]


def shown(captions: list[Caption]) -> list[tuple[float, float, str]]:
    return [(float(each.start), float(each.end), each.text) for each in captions]


def test_they_are_cut_off_at_the_end_of_the_clip() -> None:
    assert shown(captions_at(CUES, Fraction("2.2"))) == [(0, 1, "a"), (0.5, 2.2, "b"), (2, 2.2, "c")]
    assert captions_at(CUES[3:], Fraction(9)) == []


def test_they_count_from_the_in_point() -> None:
    found = captions_at(CUES[:2], Fraction(3), lead=Fraction("0.4"))
    assert shown(found) == [(0.4, 1.4, "a"), (0.9, 3, "b")]


def test_they_follow_the_speed() -> None:
    speed = speed_of(
        [SpeedSegment(start=0.5, end=1, speed=0.25), SpeedSegment(start=2, end=4, speed=2)], Fraction(4)
    )
    assert speed is not None
    assert shown(captions_at(CUES, speed.length, speed=speed)) == [
        (0, 2.5, "a"),
        (0.5, 4, "b"),
        (3.5, 3.75, "c"),
    ]


def test_what_is_shown_together_is_one_with_the_earlier_above() -> None:
    assert shown(one_at_a_time(captions_at(CUES, Fraction(20)))) == [
        (0, 0.5, "a"),
        (0.5, 1, "a\nb"),
        (1, 2, "b"),
        (2, 2.5, "b\nc"),
        (2.5, 3, "b"),
        (9, 9.5, "d"),
    ]
    assert one_at_a_time([]) == []


@pytest.mark.parametrize(
    ("text", "mode", "warnings"),
    [
        ("00:01.000 --> 00:02.000\na", "burn", ()),
        (
            "00:01.000 --> 00:02.000 line:0\n<v A>a <i>b</i>",
            "burn",
            ("captions are shown without their positions, voices and bold, italic and underlined text",),
        ),
        (
            "00:01.000 --> 00:02.000 line:0\na <i>b</i>",
            "track",
            ("captions are shown without their positions",),
        ),
        (
            "00:05.000 --> 00:06.000\na\n\n00:04.999 --> 00:06.000\nb",
            "track",
            ("1 of 2 captions begin after the end of the clip and are left out",),
        ),
    ],
)
def test_the_report_says_what_is_left_out(text: str, mode: str, warnings: tuple[str, ...]) -> None:
    effects = {"captions": {"format": "vtt", "text": f"WEBVTT\n\n{text}", "mode": mode}}
    assert caption_warnings(Effects.model_validate(effects), Fraction(5)) == warnings
