"""The lifecycle rules of a bucket, in the form of the S3 interface. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

Rule = Mapping[str, Any]
MOST_RULES = 1000
"""What a bucket takes."""
_LONGEST = 200
"""Characters of a prefix in the ID of a rule, which has 255 at most."""
_PLAIN = re.compile(r"(?=.{0,200}\Z)([A-Za-z0-9_]+/)*")
"""Prefixes for which that gives different IDs."""


def expiring(prefix: str, days: int) -> Rule:
    """A rule that deletes objects under `prefix` after `days`."""
    return _rule("keep", prefix, {"Expiration": {"Days": days}})


def aborting(prefix: str, days: int) -> Rule:
    """A rule that deletes the parts of uploads that were not completed within `days`."""
    return _rule("unfinished", prefix, {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": days}})


def with_rules(rules: Sequence[Rule], ours: Sequence[Rule]) -> tuple[list[Rule], list[Rule]]:
    """The lifecycle rules including ours, and those of ours that were not set already.

    A rule with the ID of one of these is replaced, as is one that does the same for its prefix with another
    number of days; all other rules are unchanged.
    """
    set_already = {_meaning(rule) for rule in rules}
    new = [rule for rule in ours if _meaning(rule) not in set_already]
    names, purposes = {rule["ID"] for rule in new}, {_purpose(rule) for rule in new}
    others = [rule for rule in rules if rule.get("ID") not in names and _purpose(rule) not in purposes]
    return others + new, new


def _rule(kind: str, prefix: str, action: Rule) -> Rule:
    name = prefix.replace("/", "-").strip("-") or "all"
    if not _PLAIN.fullmatch(prefix):  # others would get the same name
        name = f"{name[:_LONGEST]}-{hashlib.sha256(prefix.encode()).hexdigest()[:8]}"
    return {"ID": f"clipping-{kind}-{name}", "Status": "Enabled", "Filter": {"Prefix": prefix}, **action}


def _meaning(rule: Rule) -> tuple[object, ...]:
    """What a store may not change when it gives a rule back."""
    return _place(rule), rule.get("Status"), repr(_action(rule))


def _purpose(rule: Rule) -> tuple[object, ...]:
    """What it does, where."""
    return _place(rule), tuple(kind for kind, _ in _action(rule))


def _place(rule: Rule) -> str | None:
    """The prefix of a rule without further conditions; None for any other rule."""
    condition = rule.get("Filter", {})
    if set(condition) <= {"Prefix"}:
        return str(condition.get("Prefix", rule.get("Prefix", "")))
    return None


def _action(rule: Rule) -> list[tuple[str, object]]:
    others = {"ID", "Status", "Filter", "Prefix"}
    return sorted((name, value) for name, value in rule.items() if name not in others)
