"""The changes of requests in one order, for streams that resume on any process without gaps.

A row's `change_id` is that of its newest change. On SQLite it comes from a counter: transactions that write
follow each other. On PostgreSQL it is the id of the transaction. Transactions may end in another order than
they began, so what is read ends before the oldest one that still runs: no change can be added before that.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, func, literal, select, tuple_
from sqlalchemy.orm import Session

from api.db.tables import ChangeCounter, Clip
from clipping.contract.choices import Kind
from clipping.contract.messages import REQUEST_ID

_TEXT = re.compile(rf"(\d{{1,18}})(?:-({REQUEST_ID.removeprefix('^').removesuffix('$')}))?", re.ASCII)


class Position(NamedTuple):
    """After a change, or before the first one with this `change_id` if there is no request."""

    change_id: int
    request_id: str = ""

    def __str__(self) -> str:
        """As the id of an event."""
        return f"{self.change_id}-{self.request_id}" if self.request_id else str(self.change_id)


def parse_position(text: str) -> Position | None:
    """The position from an event's id; None if it is invalid."""
    found = _TEXT.fullmatch(text)
    return Position(int(found[1]), found[2] or "") if found else None


def position_of(clip: Clip) -> Position:
    """The position after the request's newest change."""
    return Position(clip.change_id, clip.request_id)


def end(session: Session) -> Position:
    """Nothing is added before it any more. Read it before the changes."""
    if session.connection().dialect.name == "sqlite":
        return Position((session.scalar(select(ChangeCounter.value)) or 0) + 1)
    return Position(session.scalar(select(func.txid_snapshot_xmin(func.txid_current_snapshot()))) or 0)


def between(
    session: Session,
    after: Position,
    until: Position,
    *,
    limit: int,
    owner: str | None = None,
    kind: Kind | None = None,
) -> Sequence[Clip]:
    """The first requests whose newest change is there, in order; of one owner or kind, if given."""
    query = select(Clip).where(_is_between(after, until))
    if owner is not None:
        query = query.where(Clip.owner == owner)
    if kind is not None:
        query = query.where(Clip.kind == kind)
    return session.scalars(query.order_by(Clip.change_id, Clip.request_id).limit(limit)).all()


def count(session: Session, after: Position, until: Position, *, limit: int) -> int:
    """How many requests, of all owners, have their newest change there: counts up to the limit."""
    found = select(Clip.change_id).where(_is_between(after, until)).limit(limit).subquery()
    return session.scalar(select(func.count()).select_from(found)) or 0


def _is_between(after: Position, until: Position) -> ColumnElement[bool]:
    place = tuple_(Clip.change_id, Clip.request_id)
    return and_(place > _literal(after), place <= _literal(until))


def _literal(position: Position) -> ColumnElement[tuple[int, str]]:
    return tuple_(literal(position.change_id), literal(position.request_id))
