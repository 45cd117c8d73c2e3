"""The rows of who led. Every function takes the session of its caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from api.db.tables import Clip, Takeover
from api.domain.cluster.takeovers import Taken

_FIELDS = tuple(field.name for field in fields(Taken))
_ANY = ("queued", "processing", "completed", "failed", "cancelled")


def add(session: Session, taken: Taken) -> bool:
    """Write one, unless its epoch is known. Returns whether it was new."""
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    written = (
        insert(Takeover)
        .values({name: getattr(taken, name) for name in _FIELDS})
        .on_conflict_do_nothing(index_elements=[Takeover.cluster, Takeover.epoch])
        .returning(Takeover.epoch)
    )
    return session.scalar(written) is not None


def since(session: Session, cluster: str, moment: datetime, *, limit: int) -> Sequence[Taken]:
    """The takeovers since `moment` and the last one before it, newest first; at most `limit`."""
    of_cluster = select(Takeover).where(Takeover.cluster == cluster).order_by(Takeover.epoch.desc())
    found = list(session.scalars(of_cluster.where(Takeover.taken_at >= moment).limit(limit)))
    if len(found) < limit:
        found += session.scalars(of_cluster.where(Takeover.taken_at < moment).limit(1))
    return [Taken(**{name: getattr(row, name) for name in _FIELDS}) for row in found]


def count_resumed(session: Session, cluster: str, *, since: datetime) -> None:
    """Count for each takeover since then the requests that were in flight and went on after it."""
    recent = select(Takeover).where(Takeover.cluster == cluster, Takeover.taken_at >= since)
    for row in session.scalars(recent).all():
        clips = select(func.count()).where(
            # The index on status and last sign of life: no request without a later one went on.
            Clip.status.in_(_ANY),
            Clip.last_sign_at >= row.taken_at,
            Clip.epoch >= row.epoch,
            Clip.started_at < row.taken_at,
            or_(Clip.completed_at.is_(None), Clip.completed_at > row.taken_at),
        )
        count = session.scalar(clips) or 0
        if count > row.clips_resumed:
            session.execute(
                update(Takeover)
                .where(Takeover.cluster == cluster, Takeover.epoch == row.epoch)
                .values(clips_resumed=count)
            )


def forget(session: Session, cluster: str, *, before: datetime) -> int:
    """Delete old ones, but never the newest. Returns how many."""
    newest = session.scalar(select(func.max(Takeover.epoch)).where(Takeover.cluster == cluster))
    old = delete(Takeover).where(
        Takeover.cluster == cluster, Takeover.taken_at < before, Takeover.epoch < (newest or 0)
    )
    return int(session.execute(old).rowcount)  # type: ignore[attr-defined]
