"""Sets how long a bucket keeps the service's objects: lifecycle rules that leave the owner's rules alone."""

from __future__ import annotations

from clipping.config import Config
from clipping.contract.checkpoint import PREFIX as CHECKPOINTS

CLIPS = "clips/"
REELS = "reels/"
CANCELS = "cancels/"
CANCEL_DAYS = 8
"""One day longer than Pub/Sub keeps a message, so that a request that arrives late is still cancelled."""
CHECKPOINT_DAYS = 7
"""Agents delete a clip's segments when it ends. This is for those that none of them comes back to."""


def keep_clips(config: Config, *, dry_run: bool) -> list[str]:
    """Set how long the bucket keeps clips and reels (`storage.retention_days`), cancellations, and
    checkpoints if they go there. Returns a sentence for each change, none when everything is set already.

    A local store has no such rules: its owner deletes old clips and reels. Raises `StoreUnavailable`.
    """
    storage = config.storage
    if storage.backend != "gcs":
        return []
    from clipping.store.gcs import GcsStore

    assert storage.bucket is not None, "checked by the configuration"
    store = GcsStore(storage.bucket, prefix=storage.prefix)
    rules = {CLIPS: storage.retention_days, REELS: storage.retention_days, CANCELS: CANCEL_DAYS}
    if config.checkpoints.remote:
        rules[CHECKPOINTS] = CHECKPOINT_DAYS
    try:
        changed = [prefix for prefix, days in rules.items() if store.keep_for(prefix, days, dry_run=dry_run)]
    finally:
        store.close()
    return [
        f"delete objects older than {rules[prefix]} days from {store.uri(prefix + 'x').removesuffix('x')}"
        for prefix in changed
    ]
