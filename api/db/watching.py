"""The frequent and cheap queries of clients that watch requests: by event streams and by polling."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.db.tables import Clip


class Version(NamedTuple):
    """Which ClipStatus a request shows, and to whom."""

    owner: str
    revision: int
    status: str
    folder: str | None
    stored_at: datetime | None
    link_signed_at: datetime | None
    link_expires_at: datetime | None


def version(session: Session, request_id: str) -> Version | None:
    """The request's, without reading the rest of its row. None when there is no such request."""
    query = select(*(getattr(Clip, name) for name in Version._fields))
    found = session.execute(query.where(Clip.request_id == request_id)).one_or_none()
    return Version(*found) if found else None


def revisions(session: Session, request_ids: Collection[str]) -> dict[str, int]:
    """The revision of each of these requests that exists."""
    query = select(Clip.request_id, Clip.revision).where(Clip.request_id.in_(request_ids))
    return dict(row.tuple() for row in session.execute(query))


def rows(session: Session, request_ids: Collection[str]) -> Sequence[Clip]:
    """These requests' rows."""
    if not request_ids:
        return ()
    return session.scalars(select(Clip).where(Clip.request_id.in_(request_ids))).all()
