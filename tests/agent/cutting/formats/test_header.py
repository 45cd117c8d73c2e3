"""Chapters are cut to the clip, counted from its beginning, and contiguous."""

from __future__ import annotations

from fractions import Fraction

from agent.cutting.formats.header import chapters_within
from agent.cutting.formats.media import Chapter


def within(start: str, stop: str, *chapters: tuple[str, str, str]) -> list[tuple[float, float, str]]:
    given = [Chapter(Fraction(a), Fraction(b), title) for a, b, title in chapters]
    found = chapters_within(given, Fraction(start), Fraction(stop))
    return [(float(c.start), float(c.end), c.title) for c in found]


THREE = (("0", "10", "a"), ("10", "20", "b"), ("20", "30", "c"))


def test_they_are_cut_and_moved() -> None:
    assert within("5", "22.5", *THREE) == [(0, 5, "a"), (5, 15, "b"), (15, 17.5, "c")]
    assert within("12", "13", *THREE) == [(0, 1, "b")]


def test_those_outside_are_left_out() -> None:
    assert within("10", "20", *THREE) == [(0, 10, "b")]
    assert within("31", "40", *THREE) == []


def test_what_is_shorter_than_a_tick_is_left_out() -> None:
    assert within("9.9997", "20", *THREE) == [(0, 10, "b")]


def test_a_gap_stays() -> None:
    assert within("0", "30", ("0", "5", "a"), ("20", "30", "c")) == [(0, 5, "a"), (20, 30, "c")]


def test_chapters_in_chapters_come_one_after_the_other() -> None:
    parts = (("0", "10", "a.1"), ("10", "20", "a.2"))
    assert within("0", "30", ("0", "20", "a"), *parts, ("20", "30", "b")) == [
        (0, 10, "a.1"),
        (10, 20, "a.2"),
        (20, 30, "b"),
    ]
    assert within("4", "30", ("20", "30", "b"), ("0", "20", "a"), parts[1]) == [
        (0, 6, "a"),
        (6, 16, "a.2"),
        (16, 26, "b"),
    ]
