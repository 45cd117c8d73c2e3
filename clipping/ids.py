"""Random ids that can't be guessed or enumerated."""

from __future__ import annotations

import secrets
from datetime import datetime

_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
_RANDOM_LENGTH = 16
"""80 bits: ids of one day do not collide, and can't be enumerated."""


def new_request_id(now: datetime) -> str:
    """`clip-YYYYMMDD-` and 16 random characters of Crockford base32, lower case."""
    return _named("clip", now)


def new_reel_id(now: datetime) -> str:
    """`reel-YYYYMMDD-` and 16 random characters."""
    return _named("reel", now)


def new_operation_id(now: datetime) -> str:
    """`failover-YYYYMMDD-` and 16 random characters."""
    return _named("failover", now)


def new_batch_id(now: datetime) -> str:
    """`batch-YYYYMMDD-` and 16 random characters."""
    return _named("batch", now)


def new_upload_id(now: datetime) -> str:
    """`upl-YYYYMMDD-` and 16 random characters."""
    return _named("upl", now)


def _named(kind: str, now: datetime) -> str:
    # One character for each byte: 256 is a multiple of 32, so all characters are equally likely.
    random = "".join(_CROCKFORD[byte % 32] for byte in secrets.token_bytes(_RANDOM_LENGTH))
    return f"{kind}-{now:%Y%m%d}-{random}"
