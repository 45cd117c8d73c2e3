"""The daily quota of upright clips for each caller, counted in the database for all instances."""

from __future__ import annotations

import hashlib
import math
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, TextClause, func, select, text
from sqlalchemy.orm import Session

from api.db.tables import Clip
from clipping.clock import rfc3339
from clipping.errors import QuotaExceeded

DAY = timedelta(hours=24)
"""A rolling window: older requests do not count."""


class ShortsUsedUp(QuotaExceeded):
    """With the numbers that the response contains."""

    def __init__(self, *, limit: int, used: int, again_at: datetime, now: datetime) -> None:
        seconds = max(1, math.ceil((again_at - now).total_seconds()))
        super().__init__(
            f"at most {limit} upright clips in 24 hours: ask for the next one at {rfc3339(again_at)}",
            field="output.aspect",
            retry_after=seconds,
        )
        self.limit = limit
        self.used = used
        self.retry_after_seconds = seconds


class ShortsQuota:
    """One caller's quota, in the transaction that writes the clips. Read once for all of them."""

    def __init__(self, session: Session, owner: str, *, limit: int, now: datetime) -> None:
        """`limit` is the number of requests in 24 hours, regardless of their results; 0 is no limit."""
        self._session = session
        self._owner = owner
        self._limit = limit
        self._now = now
        self._used: int | None = None
        self._taken = 0
        self._free_at: datetime | None = None

    def take(self) -> None:
        """Count one more upright clip, before any of them is written. Raises `ShortsUsedUp`."""
        if not self._limit:
            return
        used = self.read() + self._taken
        if used >= self._limit:
            self._free_at = self._free_at or self._again_at()
            raise ShortsUsedUp(limit=self._limit, used=used, again_at=self._free_at, now=self._now)
        self._taken += 1

    def read(self) -> int:
        """How many are written. Until the end of the transaction, no other one changes that."""
        if self._used is None:
            self._used = self._count() if self._limit else 0
        return self._used

    def _count(self) -> int:
        _one_at_a_time(self._session, self._owner)
        return self._session.scalar(select(func.count()).select_from(Clip).where(*self._counted())) or 0

    def _counted(self) -> tuple[ColumnElement[bool] | TextClause, ...]:
        # The same expression as in the index: SQLite does not recognise `short = 1` as equal.
        return text("short"), Clip.owner == self._owner, Clip.created_at > self._now - DAY

    def _again_at(self) -> datetime:
        """When enough requests are a day old for another one."""
        newest = select(Clip.created_at).where(*self._counted()).order_by(Clip.created_at.desc())
        written = self._limit - self._taken
        last_too_many = self._session.scalar(newest.offset(written - 1).limit(1)) if written else None
        return (last_too_many or self._now) + DAY


def _one_at_a_time(session: Session, owner: str) -> None:
    """Lock the caller's quota: two concurrent requests must not both use the last one. SQLite has one
    writer."""
    if session.connection().dialect.name == "postgresql":
        number = int.from_bytes(hashlib.sha256(owner.encode()).digest()[:8], signed=True)
        session.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": number})
