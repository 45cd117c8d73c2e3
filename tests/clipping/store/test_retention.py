"""How long clips are kept."""

from __future__ import annotations

from clipping.config import validate
from clipping.store.retention import keep_clips


def test_a_local_store_has_no_rule() -> None:
    assert keep_clips(validate({"storage": {"path": "/x"}}), dry_run=False) == []
