"""Messages that could not be read, kept for an operator."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import delete
from sqlalchemy.orm import Session

from api.db.tables import ParkedMessage

KEPT = 10_000
"""The maximum number of messages. The oldest are removed first, so that a faulty sender can't fill the
disk."""
MAX_BYTES = 65_536
"""The maximum stored size of a message. Valid ones are far smaller."""


def park(
    session: Session,
    *,
    source: str,
    message_id: str,
    data: bytes,
    attributes: Mapping[str, str],
    reason: str,
    now: datetime,
) -> None:
    """Store the message for inspection."""
    row = ParkedMessage(
        source=_text(source)[:256],
        message_id=_text(message_id)[:256],
        data=data[:MAX_BYTES],
        attributes=dict(attributes),
        reason=_text(reason),
        received_at=now,
    )
    session.add(row)
    session.flush()
    session.execute(delete(ParkedMessage).where(ParkedMessage.id <= row.id - KEPT))


def _text(given: str) -> str:
    # PostgreSQL's text can't contain NUL; JSON and bytes can.
    return given.replace("\0", "\N{SYMBOL FOR NULL}")
