"""Creates buckets, and sets how long they keep the service's objects: lifecycle rules that leave
the owner's rules alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import closing

from clipping.config import Config, Storage
from clipping.contract.checkpoint import PREFIX as CHECKPOINTS
from clipping.store.layout import FOLDERS, UPLOADS
from clipping.store.port import Store

CANCELS = "cancels/"
CANCEL_DAYS = 8
"""One day longer than Pub/Sub keeps a message, so that a request that arrives late is still cancelled."""
PREVIEW_DAYS = 1
CHECKPOINT_DAYS = 7
"""Agents delete a clip's segments when it ends. This is for those that none of them comes back to."""


def keep_clips(config: Config, *, dry_run: bool) -> list[str]:
    """Set how long the bucket keeps clips, reels and uploads (`storage.retention_days`), and vertical clips
    that the API has not deleted, of all callers; cancellations, and checkpoints if they go there. Returns a
    sentence for each change, none when everything is set already.

    A local store has no such rules: the API deletes what has expired. Raises `StoreUnavailable`.
    """
    storage = config.storage
    rules = lifetimes(config)
    if storage.backend == "gcs":
        return _keep_in_gcs(storage, rules, dry_run=dry_run)
    if storage.backend == "s3":
        return _keep_in_s3(storage, rules, dry_run=dry_run)
    return []


def _keep_in_gcs(storage: Storage, rules: Mapping[str, int], *, dry_run: bool) -> list[str]:
    from clipping.store.gcs import GcsStore

    assert storage.bucket is not None, "checked by the configuration"
    store = GcsStore(storage.bucket, prefix=storage.prefix)
    with closing(store):
        changed = store.keep_for(rules, dry_run=dry_run)
    return [_sentence(store, prefix, rules[prefix]) for prefix in changed]


def _keep_in_s3(storage: Storage, rules: Mapping[str, int], *, dry_run: bool) -> list[str]:
    from clipping.store.s3 import S3Store
    from clipping.store.s3_client import endpoint_of

    assert storage.bucket is not None, "checked by the configuration"
    store = S3Store(storage.bucket, endpoint_of(storage), prefix=storage.prefix)
    with closing(store):
        bucket = store.bucket
        changed = bucket.keep_for(rules, dry_run=dry_run)
        sentences = [_sentence(store, prefix, rules[prefix]) for prefix in changed]
        if bucket.drop_unfinished(dry_run=dry_run):
            sentences.append(
                f"delete the parts of uploads to {storage.bucket} that are unfinished after a day"
            )
    return sentences


def _sentence(store: Store, prefix: str, days: int) -> str:
    age = "a day" if days == 1 else f"{days} days"
    return f"delete objects older than {age} from {store.uri(prefix + 'x').removesuffix('x')}"


def lifetimes(config: Config) -> dict[str, int]:
    """The days after which a bucket deletes objects, by the prefix of their keys. Pure."""
    days = {}
    for place in ("", *(owner.prefix for owner in config.owners.values())):
        for folder in (*FOLDERS, UPLOADS):
            days[f"{place}{folder}/"] = config.storage.retention_days
        # Rules count whole days. The API deletes in time, and the rule what it could not delete.
        days[f"{place}shorts/"] = max(1, math.ceil(config.limits.short_retention_hours / 24))
        days[f"{place}previews/"] = PREVIEW_DAYS
    days[CANCELS] = CANCEL_DAYS
    if config.checkpoints.remote:
        days[CHECKPOINTS] = CHECKPOINT_DAYS
    return days


def create_buckets(config: Config, *, dry_run: bool) -> list[str]:
    """Create the buckets of an S3-compatible store that are missing. Returns their names.

    Those of Cloud Storage need a location and a project, which are not in the configuration. Raises
    `StoreUnavailable`.
    """
    storage = config.storage
    if storage.backend != "s3":
        return []
    from clipping.store.s3 import S3Store
    from clipping.store.s3_client import endpoint_of

    created = []
    for name in dict.fromkeys((storage.bucket, storage.coordination_bucket or storage.bucket)):
        assert name is not None, "checked by the configuration"
        with closing(S3Store(name, endpoint_of(storage))) as store:
            if store.bucket.exists():
                continue
            if not dry_run:
                store.bucket.create()
            created.append(name)
    return created
