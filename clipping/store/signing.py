"""Tests download links: signs one, verifies it, and fetches it as a browser would.

A signature alone proves little: IAM also signs for an account without read access to the bucket, and a key
file still signs after the key was revoked. Only fetching the link shows whether it works.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit

import requests

from clipping.clock import Clock
from clipping.errors import Expired, Forbidden, SigningUnavailable
from clipping.store.links import LINK_PATH
from clipping.store.local import LocalStore
from clipping.store.port import Store

LINK_SECONDS = 300.0
"""The lifetime of a test link: long enough to tolerate a slightly wrong clock."""
CONNECT_SECONDS, READ_SECONDS = 3.0, 5.0
_PIECE = 1024
_QUOTED = 200

FetchState = Literal["good", "refused", "missing", "unreachable"]


@dataclass(frozen=True)
class Fetched:
    """The result of fetching a link. `unreachable`: no response, or a server error."""

    state: FetchState
    detail: str


def sign_and_verify(store: Store, key: str, clock: Clock) -> str:
    """Sign a link to `key` and, with a local store, verify it. Raises `SigningUnavailable`."""
    url = store.sign(key, filename=key.rpartition("/")[2], seconds=LINK_SECONDS).url
    if isinstance(store, LocalStore):
        parts = urlsplit(url)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        signed = unquote(parts.path.rpartition(LINK_PATH)[2])
        try:
            store.verify_signature(
                signed, int(query["expires"]), query["filename"], query["signature"], clock.now()
            )
        except (Forbidden, Expired) as error:
            raise SigningUnavailable(
                f"the store rejects a link that it has just signed: {error.message}"
            ) from None
    return url


def fetch(url: str, expected: bytes) -> Fetched:
    """GET the link, and compare the body with the object's content. Never raises."""
    limits = CONNECT_SECONDS, READ_SECONDS
    try:
        with requests.get(url, timeout=limits, stream=True, allow_redirects=False) as answer:
            body = b""
            for piece in answer.iter_content(_PIECE):
                body += piece
                if len(body) > len(expected) + _PIECE:
                    break
            return judge(answer.status_code, body, expected)
    except requests.Timeout:
        return Fetched("unreachable", "it did not answer in time")
    except (requests.RequestException, OSError) as error:
        text = " ".join(str(error).split())
        return Fetched("unreachable", text.rpartition(": ")[2].strip("')\"") or type(error).__name__)


def judge(status: int, body: bytes, expected: bytes) -> Fetched:
    """The result for a response to a signed link. Pure."""
    said = " ".join(body[:_PIECE].decode("utf-8", "replace").split())[:_QUOTED]
    if status == 200:
        if body.rstrip() == expected.rstrip():  # S3 stores keep documents with white space after them
            return Fetched("good", "fetched")
        return Fetched("refused", f"the link returned other content than the object's: {said!r}")
    if status >= 500 or status in (408, 429):
        return Fetched("unreachable", f"it answered {status}")
    if status in (404, 410):
        return Fetched("missing", f"the link was answered with {status}: {said}")
    return Fetched("refused", f"the link was refused with {status}: {said}")


def host_of(url: str) -> str:
    """Scheme, host and port of a link: the part that is not secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
