"""Our lifecycle rules are added to those of the bucket's owner."""

from __future__ import annotations

from typing import Any

from clipping.store.gcs_lifecycle import with_rules

THEIRS: dict[str, Any] = {"action": {"type": "SetStorageClass"}, "condition": {"age": 7}}
SEVERAL: dict[str, Any] = {
    "action": {"type": "Delete"},
    "condition": {"age": 5, "matchesPrefix": ["clips/", "tmp/"]},
}


def ours(days: int, *prefixes: str) -> dict[str, Any]:
    return {"action": {"type": "Delete"}, "condition": {"age": days, "matchesPrefix": list(prefixes)}}


def test_a_bucket_without_rules_gets_one_for_each_number_of_days() -> None:
    wanted = {"clips/": 30, "shorts/": 1, "reels/": 30}
    assert with_rules([], wanted) == ([ours(30, "clips/", "reels/"), ours(1, "shorts/")], list(wanted))


def test_rules_that_say_the_same_are_not_changed() -> None:
    former = [THEIRS, ours(30, "clips/"), ours(30, "reels/")]
    assert with_rules(former, {"clips/": 30, "reels/": 30}) == (former, [])


def test_another_age_is_replaced_and_other_rules_stay() -> None:
    others = [THEIRS, SEVERAL, ours(3, "tmp/"), {"action": {"type": "Delete"}, "condition": {"age": 365}}]
    former = [ours(10, "clips/"), *others, ours(1, "shorts/")]
    rules, changed = with_rules(former, {"clips/": 30, "shorts/": 1})
    assert rules == [*others, ours(30, "clips/"), ours(1, "shorts/")]
    assert changed == ["clips/"]


def test_a_caller_is_added_and_one_that_was_removed_keeps_its_days() -> None:
    former = [ours(30, "clips/", "gone/clips/"), ours(1, "shorts/", "gone/shorts/")]
    wanted = {"clips/": 60, "shorts/": 1, "ada/clips/": 60, "ada/shorts/": 1}
    rules, changed = with_rules(former, wanted)
    assert rules == [
        ours(30, "gone/clips/"),
        ours(1, "gone/shorts/", "shorts/", "ada/shorts/"),
        ours(60, "clips/", "ada/clips/"),
    ]
    assert changed == ["clips/", "ada/clips/", "ada/shorts/"]
