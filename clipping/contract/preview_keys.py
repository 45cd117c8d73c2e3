"""What the API and the agents sign with `preview.key`: tokens of callers, and ids of recordings.

Both are opaque to callers. A token names its caller, the roots that may be previewed and its end; an id names
a recording, is the same on all agents with the same key, and never changes.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from itsdangerous import BadData, Signer, URLSafeSerializer
from itsdangerous.encoding import base64_decode, base64_encode

from clipping.config_file import read_secret
from clipping.contract.roots import is_below
from clipping.errors import NotFound, TokenExpired, Unauthorized

TOKEN_SECONDS = 900
ALL_ROOTS = "/"
"""In a token of an API that knows no roots: all that the agent has."""
_OPTIONS: dict[str, Any] = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
_INVALID = "the preview token is not valid here: request one at POST /v1/previews/token"
_UNKNOWN = "there is no such recording"


@dataclass(frozen=True)
class PreviewToken:
    """What a valid token allows."""

    caller: str
    roots: tuple[str, ...]
    expires_at: datetime

    def covers(self, path: str) -> bool:
        """Whether a path is below one of its roots. It says nothing about links on the way."""
        return is_below(path, self.roots)


class PreviewKeys:
    """Signs and verifies. Thread-safe."""

    def __init__(self, secret: str) -> None:
        self._tokens = URLSafeSerializer(secret, salt="preview-token", signer_kwargs=_OPTIONS)
        self._ids = Signer(secret, salt="recording-id", sep=".", **_OPTIONS)

    def token(
        self, caller: str, roots: Sequence[str], now: datetime, *, seconds: int = TOKEN_SECONDS
    ) -> tuple[str, datetime]:
        """A token, and when it expires."""
        expires_at = (now + timedelta(seconds=seconds)).replace(microsecond=0)
        content = {"c": caller, "r": list(roots), "e": int(expires_at.timestamp())}
        return self._tokens.dumps(content), expires_at

    def verify(self, token: str, now: datetime) -> PreviewToken:
        """What the token allows. Raises `Unauthorized`, and `TokenExpired`."""
        try:
            content = self._tokens.loads(token)
            caller, roots, end = content["c"], content["r"], content["e"]
        except (BadData, KeyError, TypeError, ValueError):
            raise Unauthorized(_INVALID) from None
        if now.timestamp() >= end:
            raise TokenExpired("the preview token has expired: request another at POST /v1/previews/token")
        return PreviewToken(caller, tuple(roots), datetime.fromtimestamp(end, now.tzinfo))

    def recording_id(self, path: str) -> str:
        """The id of the recording at an absolute path."""
        return self._ids.sign(base64_encode(os.fsencode(path))).decode("ascii")

    def path_of(self, recording_id: str) -> str:
        """The path of a recording. Raises `NotFound` for an id that was not made with this key."""
        try:
            return os.fsdecode(base64_decode(self._ids.unsign(recording_id)))
        except (BadData, UnicodeError):
            raise NotFound(_UNKNOWN) from None


def read_preview_keys(file: str | None) -> PreviewKeys | None:
    """With the secret in `preview.key`; None without one. Raises `ConfigurationError`."""
    return None if file is None else PreviewKeys(read_secret("preview.key", file))
