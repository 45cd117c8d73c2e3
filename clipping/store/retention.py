"""How long a bucket keeps what is ours: a lifecycle rule each beside whatever rules its owner has."""

from __future__ import annotations

from clipping.config import Config

CLIPS = "clips/"
CANCELS = "cancels/"
CANCEL_DAYS = 8
"""A day longer than Pub/Sub keeps a message: a request that comes late has still to be found cancelled."""


def keep_clips(config: Config, *, dry_run: bool) -> list[str]:
    """Set on the bucket how long clips (`storage.retention_days`) and cancellations are kept; a sentence for
    each change (none: it was so already).

    A local store has no such rule: its owner deletes. Raises `StoreUnavailable`.
    """
    storage = config.storage
    if storage.backend != "gcs":
        return []
    from clipping.store.gcs import GcsStore

    assert storage.bucket is not None, "checked by the configuration"
    store = GcsStore(storage.bucket, prefix=storage.prefix)
    rules = {CLIPS: storage.retention_days, CANCELS: CANCEL_DAYS}
    try:
        changed = [prefix for prefix, days in rules.items() if store.keep_for(prefix, days, dry_run=dry_run)]
    finally:
        store.close()
    return [
        f"delete what is older than {rules[prefix]} days from {store.uri(prefix + 'x').removesuffix('x')}"
        for prefix in changed
    ]
