"""Names that nobody can guess or count."""

from __future__ import annotations

import secrets
from datetime import datetime

_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
_RANDOM_LENGTH = 16
"""80 bits: two requests of one day never meet, and a stranger can't enumerate them."""


def new_request_id(now: datetime) -> str:
    """`clip-YYYYMMDD-` and 16 random characters of Crockford base32, lower case."""
    return f"clip-{now:%Y%m%d}-" + "".join(secrets.choice(_CROCKFORD) for _ in range(_RANDOM_LENGTH))
