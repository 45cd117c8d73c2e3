"""Lets web pages upload to the bucket: its CORS rules, which leave the owner's rules alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

from clipping.config import Config

HEADERS = (
    "Content-Range",
    "Content-Type",
    "If-None-Match",
    "Range",
    "x-goog-content-length-range",
    "x-goog-if-generation-match",
)
"""What a page may send with an upload, and may read of the answer."""
PREFLIGHT_SECONDS = 600
S3_RULE = "clipping-uploads"


def allow_uploads(config: Config, *, dry_run: bool) -> list[str]:
    """Let the pages of `api.cors_origins` upload to the bucket, and no others by our rule. Returns a sentence
    for each change, none when everything is set already.

    With a local store, the API answers browsers. Raises `StoreUnavailable`.
    """
    storage, origins = config.storage, config.api.cors_origins
    if storage.bucket is None:
        return []
    if storage.backend == "gcs":
        from clipping.store.gcs import GcsStore

        with closing(GcsStore(storage.bucket)) as gcs:
            changed = gcs.allow_uploads(origins, dry_run=dry_run)
    else:
        from clipping.store.s3 import S3Store
        from clipping.store.s3_client import endpoint_of

        with closing(S3Store(storage.bucket, endpoint_of(storage))) as s3:
            changed = s3.bucket.allow_uploads(origins, dry_run=dry_run)
    if not changed:
        return []
    return [
        f"let pages of {', '.join(origins)} upload to {storage.bucket}"
        if origins
        else f"let no pages upload to {storage.bucket}"
    ]


def gcs_rules(rules: Sequence[Mapping[str, Any]], origins: Sequence[str]) -> list[dict[str, Any]] | None:
    """The rules of a bucket of Cloud Storage including ours; None when ours is set already. Pure."""
    ours = {
        "origin": list(origins),
        "method": ["PUT"],
        "responseHeader": list(HEADERS),
        "maxAgeSeconds": PREFLIGHT_SECONDS,
    }

    def is_ours(rule: Mapping[str, Any]) -> bool:
        return rule.get("method") == ["PUT"] and set(rule.get("responseHeader", ())) == set(HEADERS)

    return _with(rules, [rule for rule in rules if is_ours(rule)], ours if origins else None)


def s3_rules(rules: Sequence[Mapping[str, Any]], origins: Sequence[str]) -> list[dict[str, Any]] | None:
    """The same for a bucket of S3. Pure."""
    ours = {
        "ID": S3_RULE,
        "AllowedOrigins": list(origins),
        "AllowedMethods": ["PUT"],
        "AllowedHeaders": list(HEADERS),
        "MaxAgeSeconds": PREFLIGHT_SECONDS,
    }
    return _with(rules, [rule for rule in rules if rule.get("ID") == S3_RULE], ours if origins else None)


def _with(
    rules: Sequence[Mapping[str, Any]], former: Sequence[Mapping[str, Any]], ours: dict[str, Any] | None
) -> list[dict[str, Any]] | None:
    if list(former) == ([] if ours is None else [ours]):
        return None
    others = [dict(rule) for rule in rules if rule not in former]
    # First, as SeaweedFS 4.48 looks no further than to the first rule for an origin.
    return others if ours is None else [ours, *others]
