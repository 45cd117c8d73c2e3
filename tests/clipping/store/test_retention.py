"""How long clips are kept."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from clipping.config import validate
from clipping.store.gcs import GcsStore
from clipping.store.retention import keep_clips, lifetimes


def test_a_local_store_has_no_rule() -> None:
    assert keep_clips(validate({"storage": {"path": "/x"}}), dry_run=False) == []


@pytest.mark.parametrize(("remote", "prefixes"), [(False, 6), (True, 7)])
def test_a_bucket_gets_a_rule_for_each_prefix(
    monkeypatch: pytest.MonkeyPatch, remote: bool, prefixes: int
) -> None:
    rules: dict[str, int] = {}

    def keep_for(_: GcsStore, lives: Mapping[str, int], *, dry_run: bool) -> list[str]:
        rules.update(lives)
        return list(lives)

    monkeypatch.setattr(GcsStore, "keep_for", keep_for)
    config = validate({"storage": {"backend": "gcs", "bucket": "clips"}, "checkpoints": {"remote": remote}})
    sentences = keep_clips(config, dry_run=True)
    assert len(sentences) == len(rules) == prefixes
    assert rules["clips/"] == rules["reels/"] == 30
    assert rules["shorts/"] == 1
    assert "delete objects older than a day from gs://clips/shorts/" in sentences
    assert "delete objects older than 30 days from gs://clips/clips/" in sentences
    assert rules.get("checkpoints/", 7) == 7


@pytest.mark.parametrize(("hours", "days"), [(0.5, 1), (24, 1), (25, 2), (72, 3)])
def test_a_rule_never_deletes_a_vertical_clip_before_its_time(hours: float, days: int) -> None:
    assert lifetimes(validate({"limits": {"short_retention_hours": hours}}))["shorts/"] == days


def test_callers_with_a_place_of_their_own_get_the_same_rules_there() -> None:
    owners = {"ada": {"prefix": "ada/"}, "bob": {"prefix": "customers/bob/"}}
    config = validate({"owners": owners, "storage": {"retention_days": 9}, "checkpoints": {"remote": True}})
    lives = lifetimes(config)
    of_all = {"clips/": 9, "reels/": 9, "uploads/": 9, "shorts/": 1, "previews/": 1}
    expected = {
        place + folder: days for place in ("", "ada/", "customers/bob/") for folder, days in of_all.items()
    }
    assert lives == {**expected, "cancels/": 8, "checkpoints/": 7}
