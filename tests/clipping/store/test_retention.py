"""How long clips are kept."""

from __future__ import annotations

import pytest

from clipping.config import validate
from clipping.store.gcs import GcsStore
from clipping.store.retention import keep_clips, lifetimes


def test_a_local_store_has_no_rule() -> None:
    assert keep_clips(validate({"storage": {"path": "/x"}}), dry_run=False) == []


@pytest.mark.parametrize(("remote", "prefixes"), [(False, 4), (True, 5)])
def test_a_bucket_gets_a_rule_for_each_prefix(
    monkeypatch: pytest.MonkeyPatch, remote: bool, prefixes: int
) -> None:
    rules: dict[str, int] = {}

    def keep_for(_: GcsStore, prefix: str, days: int, *, dry_run: bool) -> bool:
        rules[prefix] = days
        return True

    monkeypatch.setattr(GcsStore, "keep_for", keep_for)
    config = validate({"storage": {"backend": "gcs", "bucket": "clips"}, "checkpoints": {"remote": remote}})
    sentences = keep_clips(config, dry_run=True)
    assert len(sentences) == len(rules) == prefixes
    assert rules["clips/"] == rules["reels/"] == 30
    assert rules["shorts/"] == 1
    assert rules.get("checkpoints/", 7) == 7


@pytest.mark.parametrize(("hours", "days"), [(0.5, 1), (24, 1), (25, 2), (72, 3)])
def test_a_rule_never_deletes_a_vertical_clip_before_its_time(hours: float, days: int) -> None:
    assert lifetimes(validate({"limits": {"short_retention_hours": hours}}))["shorts/"] == days
