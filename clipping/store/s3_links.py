"""Signed URLs of an S3-compatible store, for downloads and uploads."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from clipping.store.port import SignedUrl
from clipping.store.s3_client import Connections

MAX_SIGNED_SECONDS = 7 * 24 * 3600
"""The maximum lifetime of V4 signatures."""


def signed_url(
    connections: Connections, operation: str, request: Mapping[str, Any], seconds: float
) -> SignedUrl:
    """A URL for one operation with these parameters. Headers among them have to be sent as they are signed.

    Raises the library's errors.
    """
    limit = connections.signature_limit(datetime.now(UTC))
    url = connections.signer().generate_presigned_url(
        operation, Params=request, ExpiresIn=int(min(seconds, MAX_SIGNED_SECONDS))
    )
    expiry = _expiry(url)
    return SignedUrl(url, expiry if limit is None else min(limit, expiry))


def _expiry(url: str) -> datetime:
    """When a V4 URL expires, from its signed parameters and not from another clock."""
    query = parse_qs(urlsplit(url).query)
    begin = datetime.strptime(query["X-Amz-Date"][0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return begin + timedelta(seconds=int(query["X-Amz-Expires"][0]))
