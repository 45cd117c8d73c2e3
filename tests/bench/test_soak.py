"""The soak's judge: it must see each thing that must not be, and object to nothing else."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from bench.soak.judge import (
    Case,
    Expected,
    Got,
    Leading,
    highest_first,
    judge_case,
    judge_epochs,
    judge_leaders,
    judge_versions,
)
from bench.soak.kinds import KINDS, deck
from bench.soak.recordings import Roots

CLIP = Expected(frozenset({"completed"}), seconds=5.0, most_lead=2.0)
HASH = "a" * 64


def completed(**changes: object) -> Case:
    case = Case(
        "clip-1",
        "copy",
        CLIP,
        ends=["completed"],
        published=Counter(completed=2),
        size=10,
        sha256=HASH,
        seconds=6.5,
        lead=1.5,
        objects=1,
        got=Got(10, HASH, 6.52),
    )
    return replace(case, **changes)  # type: ignore[arg-type]


def rules(case: Case) -> list[str]:
    return [violation.rule for violation in judge_case(case)]


def test_a_good_clip_is_good_even_if_its_completion_was_published_twice() -> None:
    assert rules(completed()) == []


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"ends": []}, "no end"),
        ({"ends": ["failed LOST", "completed"]}, "more than one end"),
        ({"ends": ["completed", "cancelled"]}, "more than one end"),
        ({"published": Counter(completed=1, failed=1)}, "other ends published"),
        ({"streamed": "failed"}, "event stream"),
        ({"objects": 0}, "clips in the store"),
        ({"objects": 2}, "clips in the store"),
        ({"got": None}, "download"),
        ({"got": Got(10, "b" * 64, 6.5)}, "download"),
        ({"got": Got(9, HASH, 6.5)}, "download"),
        ({"seconds": 121.0}, "duration"),
    ],
)
def test_each_wrong_is_seen(changes: dict[str, object], rule: str) -> None:
    assert rule in rules(completed(**changes))


def test_a_completion_overrides_a_cancel_that_came_too_late() -> None:
    either = replace(CLIP, outcomes=frozenset({"completed", "cancelled"}))
    assert rules(completed(expected=either, ends=["cancelled", "completed"])) == []


def test_a_clip_that_is_longer_than_requested_is_seen_though_reported_so() -> None:
    assert rules(completed(seconds=41.0, got=Got(10, HASH, 41.0))) == ["duration"]
    assert rules(completed(seconds=45.0, lead=40.0, got=Got(10, HASH, 45.0))) == ["lead"]


def test_an_outage_that_ends_a_request_is_seen() -> None:
    published = Counter(failed=1)
    case = completed(ends=["failed STORE_UNAVAILABLE"], published=published, objects=0, got=None)
    assert rules(case) == ["wrong end"]
    deserved = Expected(frozenset({"failed STORE_UNAVAILABLE"}))
    assert rules(replace(case, expected=deserved)) == []
    assert rules(replace(case, expected=deserved, objects=1)) == ["clips in the store"]


def test_two_leaders_are_seen_and_a_late_answer_is_none() -> None:
    first, second = Leading(1.0, 1.1, "a", 1), Leading(5.0, 5.1, "b", 2)
    late = Leading(4.0, 20.0, "a", 1)
    assert judge_leaders([first, second, late]) == []
    assert len(judge_leaders([first, second, Leading(5.2, 5.3, "a", 1)])) == 1
    assert len(judge_leaders([first, Leading(2.0, 2.1, "b", 1)])) == 1


def test_what_is_kept_of_the_answers_is_enough() -> None:
    dice = random.Random(1)
    for _ in range(200):
        seen, now = [], 0.0
        for _ in range(12):
            now += dice.random()
            seen.append(Leading(now, now + 0.01, dice.choice("ab"), dice.randrange(3)))
        assert bool(judge_leaders(highest_first(seen))) == bool(judge_leaders(seen))


def test_epochs_only_grow_and_clips_stay_as_they_are() -> None:
    assert judge_epochs([1, 2, 5]) == []
    assert len(judge_epochs([1, 2, 1])) == 1
    assert judge_versions({"clips/a": {"1"}}) == []
    assert len(judge_versions({"clips/a": {"1", "2"}})) == 1


def test_every_kind_can_be_asked_for() -> None:
    dice = random.Random(1)
    roots = Roots(Path("/nas-1"), Path("/nas-2"))
    assert {kind.name for kind in deck(dice)} == {kind.name for kind in KINDS}
    for kind in KINDS:
        for _ in range(20):
            wish = kind.make(dice, roots)
            assert wish.expected.outcomes
            assert wish.expected.seconds > 0 or kind.then == "refused"
