"""The frequent and cheap queries of event streams."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.db.tables import Clip


def revisions(session: Session, request_ids: Collection[str]) -> dict[str, int]:
    """The revision of each of these requests that exists."""
    query = select(Clip.request_id, Clip.revision).where(Clip.request_id.in_(request_ids))
    return dict(row.tuple() for row in session.execute(query))


def rows(session: Session, request_ids: Collection[str]) -> Sequence[Clip]:
    """These requests' rows."""
    if not request_ids:
        return ()
    return session.scalars(select(Clip).where(Clip.request_id.in_(request_ids))).all()
