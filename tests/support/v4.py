"""Verifies Google's V4 signatures like Cloud Storage, because emulators do not.

Based on "V4 signing process with your own program" and "Canonical requests" in Google's documentation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from urllib.parse import parse_qsl, quote, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

ALGORITHM = "GOOG4-RSA-SHA256"
LONGEST = timedelta(days=7)


class Refused(Exception):
    """The link is invalid. The message states the reason."""


def verify(
    url: str,
    *,
    key: RSAPublicKey,
    now: datetime,
    method: str = "GET",
    headers: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, str]:
    """The query of a link that is valid at `now`, without the signature's parameters.

    `headers`: those of the request. Raises `Refused`.
    """
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True))
    try:
        signature = bytes.fromhex(query.pop("X-Goog-Signature"))
        begin = datetime.strptime(query["X-Goog-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        lifetime = timedelta(seconds=int(query["X-Goog-Expires"]))
        signed_headers = query["X-Goog-SignedHeaders"]
        scope = query["X-Goog-Credential"].partition("/")[2]
    except (KeyError, ValueError) as error:
        raise Refused(f"malformed: {error!r}") from None
    if query["X-Goog-Algorithm"] != ALGORITHM:
        raise Refused("unsupported algorithm")
    if scope != f"{begin:%Y%m%d}/auto/storage/goog4_request":
        raise Refused(f"wrong scope: {scope}")
    sent = {name.lower(): value.strip() for name, value in headers.items()} | {"host": parts.netloc}
    names = signed_headers.split(";")
    if not set(names) <= set(sent) or "host" not in names:
        raise Refused("MalformedSecurityHeader: a signed header is missing")
    if any(name.startswith("x-goog-") and name not in names for name in sent):
        raise Refused("MalformedSecurityHeader: a header is not signed")
    canonical_headers = "".join(f"{name}:{sent[name]}\n" for name in sorted(names))
    canonical_query = "&".join(f"{_encode(name)}={_encode(query[name])}" for name in sorted(query))
    canonical_request = "\n".join(
        [method, parts.path, canonical_query, canonical_headers, signed_headers, "UNSIGNED-PAYLOAD"]
    )
    digest = hashlib.sha256(canonical_request.encode()).hexdigest()
    text = "\n".join([ALGORITHM, query["X-Goog-Date"], scope, digest])
    try:
        key.verify(signature, text.encode(), padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        raise Refused("SignatureDoesNotMatch") from None
    if lifetime > LONGEST:
        raise Refused("valid for longer than 7 days")
    if not begin - timedelta(minutes=15) <= now < begin + lifetime:
        raise Refused("ExpiredToken")
    return {name: value for name, value in query.items() if not name.startswith("X-Goog-")}


def _encode(text: str) -> str:
    return quote(text, safe="-_.~")
