"""Our lifecycle rule is added to those of the bucket's owner."""

from __future__ import annotations

from typing import Any

from clipping.store.gcs_lifecycle import with_rule

THEIRS: dict[str, Any] = {"action": {"type": "SetStorageClass"}, "condition": {"age": 7}}


def ours(days: int, prefix: str = "clips/") -> dict[str, Any]:
    return {"action": {"type": "Delete"}, "condition": {"age": days, "matchesPrefix": [prefix]}}


def test_a_bucket_without_rules_gets_ours() -> None:
    assert with_rule([], "clips/", 30) == [ours(30)]


def test_an_existing_rule_is_not_changed() -> None:
    assert with_rule([THEIRS, ours(30)], "clips/", 30) is None


def test_another_age_is_replaced_and_other_rules_stay() -> None:
    others = [THEIRS, ours(3, "tmp/"), {"action": {"type": "Delete"}, "condition": {"age": 365}}]
    assert with_rule([ours(10), *others], "clips/", 30) == [*others, ours(30)]
