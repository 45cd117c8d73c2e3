"""The lifecycle rules of a bucket, as Google's JSON API gives them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def with_rule(rules: Sequence[Mapping[str, Any]], prefix: str, days: int) -> list[dict[str, Any]] | None:
    """The lifecycle rules including ours; None when ours is set already.

    Ours deletes by age under exactly `prefix`. A rule with another age for it is replaced; all other rules
    are unchanged.
    """
    ours = {"action": {"type": "Delete"}, "condition": {"age": days, "matchesPrefix": [prefix]}}
    found = [dict(rule) for rule in rules]
    if ours in found:
        return None
    return [rule for rule in found if not _is_ours(rule, prefix)] + [ours]


def _is_ours(rule: Mapping[str, Any], prefix: str) -> bool:
    condition = dict(rule.get("condition", {}))
    condition.pop("age", None)
    return rule.get("action") == {"type": "Delete"} and condition == {"matchesPrefix": [prefix]}
