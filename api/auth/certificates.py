"""The certificates that Google signs identity tokens with: fetched when needed, kept for a while."""

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
"""Certificates are kept as long as their server says, within these bounds."""
STALE_SECONDS = 24 * 3600.0
"""So much longer they serve while no newer ones can be fetched. A key that was given up must end to count."""
REFETCH_SECONDS = 30.0
"""A key id that is not known may be a new one: look again, but not at every forged token."""
RETRY_SECONDS = 2.0
"""The same while there are none at all: no caller gets in, so retry sooner."""

log = get_logger(__name__)


class Certificates:
    """The signers' certificates by key id. Safe to share between threads; connects at the first need."""

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
        # Who could be served with what is known does not wait for the thread that fetches.
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
