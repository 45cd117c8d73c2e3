"""How long a bucket keeps clips: one lifecycle rule of ours beside whatever rules its owner has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from clipping.config import Config

CLIPS = "clips/"


def keep_clips(config: Config, *, dry_run: bool) -> list[str]:
    """Set `storage.retention_days` on the bucket; a sentence for each change (none: it was so already).

    A local store has no such rule: its owner deletes. Raises `StoreUnavailable`.
    """
    storage = config.storage
    if storage.backend != "gcs":
        return []
    from clipping.store.gcs import GcsStore

    assert storage.bucket is not None, "checked by the configuration"
    store = GcsStore(storage.bucket, prefix=storage.prefix)
    try:
        if not store.keep_for(CLIPS, storage.retention_days, dry_run=dry_run):
            return []
    finally:
        store.close()
    where = store.uri(CLIPS + "x").removesuffix("x")
    return [f"delete what is older than {storage.retention_days} days from {where}"]


def with_rule(rules: Sequence[Mapping[str, Any]], prefix: str, days: int) -> list[dict[str, Any]] | None:
    """The lifecycle rules with ours among them; None when it is there already.

    Ours is the one that deletes by age under exactly `prefix`: another age there is replaced, and every other
    rule stays as it is.
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
