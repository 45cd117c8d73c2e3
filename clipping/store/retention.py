"""Sets how long a bucket keeps the service's objects: lifecycle rules that leave the owner's rules alone."""

from __future__ import annotations

import math

from clipping.config import Config
from clipping.contract.checkpoint import PREFIX as CHECKPOINTS
from clipping.store.layout import FOLDERS

CANCELS = "cancels/"
CANCEL_DAYS = 8
"""One day longer than Pub/Sub keeps a message, so that a request that arrives late is still cancelled."""
CHECKPOINT_DAYS = 7
"""Agents delete a clip's segments when it ends. This is for those that none of them comes back to."""


def keep_clips(config: Config, *, dry_run: bool) -> list[str]:
    """Set how long the bucket keeps clips and reels (`storage.retention_days`), vertical clips that the API
    has not deleted, cancellations, and checkpoints if they go there. Returns a sentence for each change, none
    when everything is set already.

    A local store has no such rules: the API deletes what has expired. Raises `StoreUnavailable`.
    """
    storage = config.storage
    if storage.backend != "gcs":
        return []
    from clipping.store.gcs import GcsStore

    assert storage.bucket is not None, "checked by the configuration"
    store = GcsStore(storage.bucket, prefix=storage.prefix)
    rules = lifetimes(config)
    try:
        changed = [prefix for prefix, days in rules.items() if store.keep_for(prefix, days, dry_run=dry_run)]
    finally:
        store.close()
    return [
        f"delete objects older than {rules[prefix]} days from {store.uri(prefix + 'x').removesuffix('x')}"
        for prefix in changed
    ]


def lifetimes(config: Config) -> dict[str, int]:
    """The days after which a bucket deletes objects, by the prefix of their keys. Pure."""
    days = dict.fromkeys((f"{folder}/" for folder in FOLDERS), config.storage.retention_days)
    # Rules count whole days. The API deletes in time, and the rule what it could not delete.
    days["shorts/"] = max(1, math.ceil(config.limits.short_retention_hours / 24))
    days[CANCELS] = CANCEL_DAYS
    if config.checkpoints.remote:
        days[CHECKPOINTS] = CHECKPOINT_DAYS
    return days
