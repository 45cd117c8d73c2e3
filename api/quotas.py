"""How much a caller may ask for in a day, counted in the database: the same for all instances."""

from __future__ import annotations

import hashlib
import math
from datetime import datetime, timedelta

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from api.db.tables import Clip
from clipping.errors import QuotaExceeded


def take_short(session: Session, owner: str, *, per_day: int, now: datetime, asked: int = 1) -> None:
    """Let `asked` more upright clips of this owner pass, today in UTC; 0 a day is no limit.

    Called in the transaction that writes them, before they are written. Raises `QuotaExceeded`.
    """
    if not per_day:
        return
    _one_at_a_time(session, owner)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    today = select(func.count()).select_from(Clip)
    today = today.where(Clip.short, Clip.owner == owner, Clip.created_at >= midnight)
    remaining = per_day - (session.scalar(today) or 0) - asked
    if remaining >= 0:
        return
    seconds = max(1, math.ceil((midnight + timedelta(days=1) - now).total_seconds()))
    raise QuotaExceeded(
        f"at most {per_day} upright clips a day: the count starts again at midnight UTC",
        field="output.aspect",
        retry_after=seconds,
    )


def _one_at_a_time(session: Session, owner: str) -> None:
    """Two requests at once must not both be the last one. SQLite has one writer anyway."""
    if session.connection().dialect.name == "postgresql":
        number = int.from_bytes(hashlib.sha256(owner.encode()).digest()[:8], signed=True)
        session.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": number})
