"""The daily quota of upright clips for each caller, counted in the database for all instances."""

from __future__ import annotations

import hashlib
import math
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, TextClause, func, select, text
from sqlalchemy.orm import Session

from api.db.tables import Clip
from clipping.clock import rfc3339
from clipping.contract.results import QuotaDetails, ShortsLeft
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
        self.details = QuotaDetails(
            limit=limit, used=used, retry_after_seconds=seconds, hours_until_reset=_hours(seconds)
        )


def shorts_left(session: Session, owner: str, *, limit: int, now: datetime) -> ShortsLeft:
    """What a caller has left now. Takes no lock: another request may be counted at the same moment."""
    used = _count(session, owner, now)
    if not limit:
        return ShortsLeft(limit=0, used=used)
    # Above the limit (it was lowered) several have to be a day old before one is free.
    resets_at = _free_at(session, owner, min(used, limit), now) if used else None
    seconds = max(1, math.ceil((resets_at - now).total_seconds())) if resets_at else 0
    return ShortsLeft(
        limit=limit,
        used=used,
        remaining=max(0, limit - used),
        retry_after_seconds=seconds if used >= limit else 0,
        hours_until_reset=_hours(seconds) if resets_at else None,
        resets_at=resets_at,
    )


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
        return _count(self._session, self._owner, self._now)

    def _again_at(self) -> datetime:
        """When enough requests are a day old for another one."""
        written = self._limit - self._taken
        return _free_at(self._session, self._owner, written, self._now) if written else self._now + DAY


def _counted(owner: str, now: datetime) -> tuple[ColumnElement[bool] | TextClause, ...]:
    # The same expression as in the index: SQLite does not recognise `short = 1` as equal.
    return text("short"), Clip.owner == owner, Clip.created_at > now - DAY


def _count(session: Session, owner: str, now: datetime) -> int:
    return session.scalar(select(func.count()).select_from(Clip).where(*_counted(owner, now))) or 0


def _free_at(session: Session, owner: str, written: int, now: datetime) -> datetime:
    """When fewer than `written` of the counted requests are left."""
    newest = select(Clip.created_at).where(*_counted(owner, now)).order_by(Clip.created_at.desc())
    return (session.scalar(newest.offset(written - 1).limit(1)) or now) + DAY


def _hours(seconds: int) -> float:
    """Rounded up, so that the time is over then."""
    return math.ceil(seconds / 36) / 100


def _one_at_a_time(session: Session, owner: str) -> None:
    """Lock the caller's quota: two concurrent requests must not both use the last one. SQLite has one
    writer."""
    if session.connection().dialect.name == "postgresql":
        number = int.from_bytes(hashlib.sha256(owner.encode()).digest()[:8], signed=True)
        session.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": number})
