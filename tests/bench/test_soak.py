"""The soak test's judge: it reports every violation and nothing else."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from bench.soak.judge import (
    Case,
    Download,
    Expected,
    Leading,
    epoch_spans,
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
        downloaded=Download(10, HASH, 6.52),
    )
    return replace(case, **changes)  # type: ignore[arg-type]


def rules(case: Case) -> list[str]:
    return [violation.rule for violation in judge_case(case)]


def test_a_good_clip_has_no_violations_even_with_two_published_completions() -> None:
    assert rules(completed()) == []


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"ends": []}, "no outcome"),
        ({"ends": ["failed LOST", "completed"]}, "several outcomes"),
        ({"ends": ["completed", "cancelled"]}, "several outcomes"),
        ({"published": Counter(completed=1, failed=1)}, "other outcomes published"),
        ({"streamed": "failed"}, "event stream"),
        ({"objects": 0}, "clips in the store"),
        ({"objects": 2}, "clips in the store"),
        ({"downloaded": None}, "download"),
        ({"downloaded": Download(10, "b" * 64, 6.5)}, "download"),
        ({"downloaded": Download(9, HASH, 6.5)}, "download"),
        ({"seconds": 121.0}, "duration"),
    ],
)
def test_each_violation_is_reported(changes: dict[str, object], rule: str) -> None:
    assert rule in rules(completed(**changes))


def test_a_completion_overrides_a_late_cancel() -> None:
    either = replace(CLIP, outcomes=frozenset({"completed", "cancelled"}))
    assert rules(completed(expected=either, ends=["cancelled", "completed"])) == []


def test_a_clip_longer_than_requested_is_reported_even_if_its_report_is_correct() -> None:
    assert rules(completed(seconds=41.0, downloaded=Download(10, HASH, 41.0))) == ["duration"]
    assert rules(completed(seconds=45.0, lead=40.0, downloaded=Download(10, HASH, 45.0))) == ["lead"]


def test_a_request_that_fails_in_an_outage_is_reported() -> None:
    published = Counter(failed=1)
    case = completed(ends=["failed STORE_UNAVAILABLE"], published=published, objects=0, downloaded=None)
    assert rules(case) == ["wrong outcome"]
    tolerant = Expected(frozenset({"failed STORE_UNAVAILABLE"}))
    assert rules(replace(case, expected=tolerant)) == []
    assert rules(replace(case, expected=tolerant, objects=1)) == ["clips in the store"]


def test_two_leaders_are_reported_and_a_late_response_is_not() -> None:
    first, second = Leading(1.0, 1.1, "a", 1), Leading(5.0, 5.1, "b", 2)
    late = Leading(4.0, 20.0, "a", 1)
    assert judge_leaders([first, second, late]) == []
    assert len(judge_leaders([first, second, Leading(5.2, 5.3, "a", 1)])) == 1
    assert len(judge_leaders([first, Leading(2.0, 2.1, "b", 1)])) == 1


def test_the_reduced_responses_are_sufficient() -> None:
    rng = random.Random(1)
    for _ in range(200):
        seen, now = [], 0.0
        for _ in range(12):
            now += rng.random()
            seen.append(Leading(now, now + 0.01, rng.choice("ab"), rng.randrange(3)))
        assert bool(judge_leaders(epoch_spans(seen))) == bool(judge_leaders(seen))


def test_epochs_only_increase_and_clips_are_not_overwritten() -> None:
    assert judge_epochs([1, 2, 5]) == []
    assert len(judge_epochs([1, 2, 1])) == 1
    assert judge_versions({"clips/a": {"1"}}) == []
    assert len(judge_versions({"clips/a": {"1", "2"}})) == 1


def test_every_kind_can_be_requested() -> None:
    rng = random.Random(1)
    roots = Roots(Path("/nas-1"), Path("/nas-2"))
    assert {kind.name for kind in deck(rng)} == {kind.name for kind in KINDS}
    for kind in KINDS:
        for _ in range(20):
            request = kind.make(rng, roots)
            assert request.expected.outcomes
            assert request.expected.seconds > 0 or kind.then == "refused"
