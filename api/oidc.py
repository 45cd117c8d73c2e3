"""Whether a push really comes from Pub/Sub: its OIDC token, checked against the signers' certificates."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from typing import Any

import requests
from google.auth import jwt
from google.auth.exceptions import GoogleAuthError

from clipping.clock import Clock
from clipping.config import Push
from clipping.errors import Forbidden, QueueUnavailable, Unauthorized
from clipping.log import get_logger

ISSUERS = ("accounts.google.com", "https://accounts.google.com")
FETCH_SECONDS = 5.0
FRESH_SECONDS = (60.0, 6 * 3600.0)
"""Certificates are kept as long as their server says, within these bounds."""
REFETCH_SECONDS = 30.0
"""A key id that is not known may be a new one: look again, but not at every forged token."""
CLOCK_SKEW_SECONDS = 10

log = get_logger(__name__)


class Certificates:
    """The signers' certificates by key id, fetched when needed and kept. Safe to share between threads."""

    def __init__(self, url: str, clock: Clock) -> None:
        self._url = url
        self._clock = clock
        self._lock = threading.Lock()
        self._known: Mapping[str, str] = {}
        self._fresh_until = float("-inf")
        self._fetched_at = float("-inf")

    def get(self, key_id: str) -> Mapping[str, str]:
        """The certificates. Raises `QueueUnavailable` when there are none and none can be fetched."""
        with self._lock:
            now = self._clock.monotonic()
            stale = now >= self._fresh_until
            missing = key_id not in self._known
            if (stale or missing) and now >= self._fetched_at + (0 if not self._known else REFETCH_SECONDS):
                self._fetch(now)
            if not self._known:
                raise QueueUnavailable("the certificates of Pub/Sub's signers can't be fetched")
            return self._known

    def _fetch(self, now: float) -> None:
        self._fetched_at = now
        try:
            answer = requests.get(self._url, timeout=FETCH_SECONDS)
            answer.raise_for_status()
            found = answer.json()
        except requests.RequestException as error:  # its JSON error is one of these too
            log.error("push.certificates", url=self._url, error=str(error))
            return
        if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
            log.error("push.certificates", url=self._url, error="not an object of certificates")
            return
        self._known = found
        age = re.search(r"max-age=(\d{1,9})", answer.headers.get("Cache-Control", ""))
        least, most = FRESH_SECONDS
        self._fresh_until = now + min(most, max(least, float(age.group(1)) if age else least))


class PushVerifier:
    """Lets Pub/Sub's pushes in, and nobody else."""

    def __init__(self, config: Push, clock: Clock) -> None:
        self._config = config
        self._certificates = Certificates(config.certs_url, clock)

    def verify(self, authorization: str) -> None:
        """Raises `Unauthorized` for a bad token, `Forbidden` for a good one of somebody else."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthorized("a push needs the token of its service account")
        claims = self._claims(token.strip())
        if claims.get("iss") not in ISSUERS:
            raise Unauthorized("the token is not of Google's issuer")
        if claims.get("email") != self._config.service_account or claims.get("email_verified") is not True:
            raise Forbidden("the token is not of the configured service account")

    def _claims(self, token: str) -> Mapping[str, Any]:
        try:
            key_id = str(jwt.decode_header(token).get("kid", ""))
            certificates = self._certificates.get(key_id)
            if key_id not in certificates:
                raise Unauthorized("the token is signed with an unknown key")
            claims: Mapping[str, Any] = jwt.decode(
                token,
                certs=certificates,
                audience=self._config.audience,
                clock_skew_in_seconds=CLOCK_SKEW_SECONDS,
            )
        except (ValueError, TypeError, GoogleAuthError) as error:
            log.warning("push.token_refused", reason=str(error)[:200])
            raise Unauthorized("the token is not valid") from None
        return claims
