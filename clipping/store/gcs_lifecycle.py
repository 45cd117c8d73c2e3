"""The lifecycle rules of a bucket, as Google's JSON API gives them. Pure.

A bucket takes 100 rules, and 1,000 prefixes in them all: ours are one rule for each number of days, with all
prefixes that have it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def with_rules(
    rules: Sequence[Mapping[str, Any]], wanted: Mapping[str, int]
) -> tuple[list[dict[str, Any]], list[str]]:
    """The lifecycle rules including ours, and the prefixes whose days change by that.

    `wanted` has the days after which objects are deleted, by prefix. A rule that deletes by age under nothing
    but folders of ours is ours: what it has of others, such as a caller that is no longer configured, keeps
    its days. All other rules are unchanged, as are all when nothing changes.
    """
    found = [dict(rule) for rule in rules]
    set_already = {(prefix, days) for rule in found for prefix, days in _lives(rule)}
    changed = [prefix for prefix, days in wanted.items() if (prefix, days) not in set_already]
    if not changed:
        return found, []
    folders = {_folder(prefix) for prefix in wanted}
    kept = []
    by_days: dict[int, list[str]] = {}
    for rule in found:
        lives = list(_lives(rule))
        if not lives or not {_folder(prefix) for prefix, _ in lives} <= folders:
            kept.append(rule)
            continue
        for prefix, days in lives:
            if prefix not in wanted:
                by_days.setdefault(days, []).append(prefix)
    for prefix, days in wanted.items():
        by_days.setdefault(days, []).append(prefix)
    return kept + [_rule(prefixes, days) for days, prefixes in by_days.items()], changed


def _rule(prefixes: list[str], days: int) -> dict[str, Any]:
    return {"action": {"type": "Delete"}, "condition": {"age": days, "matchesPrefix": prefixes}}


def _lives(rule: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """The prefixes and days of a rule that deletes by age under prefixes, without further conditions."""
    condition = rule.get("condition", {})
    if rule.get("action") == {"type": "Delete"} and set(condition) == {"age", "matchesPrefix"}:
        for prefix in condition["matchesPrefix"]:
            yield prefix, condition["age"]


def _folder(prefix: str) -> str:
    return prefix.removesuffix("/").rpartition("/")[2]
