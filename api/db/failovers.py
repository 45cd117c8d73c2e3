"""The planned failovers' rows. Every function takes the session of its caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from api.db.tables import Failover
from api.domain.cluster.outcome import Operation
from clipping.contract.results import FINISHED

_FIELDS = tuple(field.name for field in fields(Operation))


def add(session: Session, operation: Operation) -> None:
    """Insert a new failover."""
    session.add(Failover(**{name: getattr(operation, name) for name in _FIELDS}))


def rewrite(session: Session, operation: Operation) -> None:
    """Replace a failover that has not been published to the agents."""
    query = update(Failover).where(Failover.operation_id == operation.operation_id)
    session.execute(query.values({name: getattr(operation, name) for name in _FIELDS}))


def find(session: Session, operation_id: str) -> Operation | None:
    """The operation with this id."""
    row = session.get(Failover, operation_id)
    return _operation(row) if row else None


def store(session: Session, operation: Operation) -> None:
    """Update its state. A finished failover is not changed."""
    query = update(Failover).where(Failover.operation_id == operation.operation_id)
    unfinished = query.where(Failover.state.not_in(FINISHED))
    names = ("state", "new_primary", "epoch", "switched_at", "error")
    session.execute(unfinished.values({name: getattr(operation, name) for name in names}))


def remove(session: Session, operation_id: str) -> None:
    """Delete a failover that never started."""
    session.execute(delete(Failover).where(Failover.operation_id == operation_id))


def open_or_since(session: Session, cluster: str, moment: datetime) -> Sequence[Operation]:
    """The failovers of a cluster that are unfinished, or were requested since `moment`."""
    query = select(Failover).where(
        Failover.cluster == cluster, or_(Failover.state.not_in(FINISHED), Failover.created_at >= moment)
    )
    return [_operation(row) for row in session.scalars(query.order_by(Failover.created_at).limit(100))]


def that_led_to(session: Session, cluster: str, epochs: Sequence[int]) -> dict[int, Operation]:
    """The failovers that ended with one of these epochs, by epoch."""
    query = select(Failover).where(
        Failover.cluster == cluster, Failover.epoch.in_(epochs), Failover.switched_at.is_not(None)
    )
    return {row.epoch: _operation(row) for row in session.scalars(query) if row.epoch is not None}


def _operation(row: Failover) -> Operation:
    return Operation(**{name: getattr(row, name) for name in _FIELDS})
