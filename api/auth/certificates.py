"""The certificates of Google's identity tokens: fetched when needed, and cached."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping

import requests

from clipping.clock import Clock
from clipping.errors import QueueUnavailable
from clipping.log import get_logger

FETCH_SECONDS = 5.0
FRESH_SECONDS = (60.0, 6 * 3600.0)
"""Bounds of the cache lifetime that the server states."""
STALE_SECONDS = 24 * 3600.0
"""How much longer expired certificates are used while no newer ones can be fetched. Bounded, so that a
revoked key becomes invalid."""
REFETCH_SECONDS = 30.0
"""Minimum time between fetches for unknown key ids: they may be new, or come from forged tokens."""
RETRY_SECONDS = 2.0
"""The same without any certificates: every caller is refused, so retry sooner."""

log = get_logger(__name__)


class Certificates:
    """The signers' certificates by key id. Thread-safe; connects when first needed."""

    def __init__(self, url: str, clock: Clock) -> None:
        self._url = url
        self._clock = clock
        self._fetching = threading.Lock()
        self._known: Mapping[str, str] = {}
        self._fresh_until = float("-inf")
        self._asked_at = float("-inf")

    def get(self, key_id: str) -> Mapping[str, str]:
        """The certificates, which may not hold `key_id`. Raises `QueueUnavailable` when there are none and
        none can be fetched."""
        if not self._good_for(key_id):
            self._refresh(key_id)
        known = self._known
        if not known or self._clock.monotonic() > self._fresh_until + STALE_SECONDS:
            raise QueueUnavailable("the certificates that verify tokens can't be fetched: try again soon")
        return known

    def _good_for(self, key_id: str) -> bool:
        return key_id in self._known and self._clock.monotonic() < self._fresh_until

    def _refresh(self, key_id: str) -> None:
        # Callers with a known key id do not wait for the thread that fetches.
        wait = 0.0 if key_id in self._known else 2 * FETCH_SECONDS
        if not self._fetching.acquire(timeout=wait):
            return
        try:
            pause = REFETCH_SECONDS if self._known else RETRY_SECONDS
            if not self._good_for(key_id) and self._clock.monotonic() >= self._asked_at + pause:
                self._fetch()
        finally:
            self._fetching.release()

    def _fetch(self) -> None:
        self._asked_at = now = self._clock.monotonic()
        try:
            answer = requests.get(self._url, timeout=FETCH_SECONDS)
            answer.raise_for_status()
            found = answer.json()
        except requests.RequestException as error:  # its JSON error is one of these too
            log.error("oidc.certificates", url=self._url, error=str(error))
            return
        if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
            log.error("oidc.certificates", url=self._url, error="not an object of certificates")
            return
        age = re.search(r"max-age=(\d{1,9})", answer.headers.get("Cache-Control", ""))
        least, most = FRESH_SECONDS
        self._known = found
        self._fresh_until = now + min(most, max(least, float(age.group(1)) if age else least))
