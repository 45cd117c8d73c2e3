"""Requests in a database, without the HTTP before it and the bus behind it."""

from __future__ import annotations

from datetime import datetime
from itertools import count
from typing import Any

from sqlalchemy import select

from api.db import clips
from api.db.engine import Database
from api.db.outbox import REQUESTS
from api.db.tables import Clip, OutboxMessage
from api.messaging.agent_messages import Ingest
from clipping.clock import ManualClock
from clipping.contract.messages import ClipRequest, CompletionMessage, ProgressMessage, RequestMessage
from clipping.contract.reel import ReelMessage, ReelRequest, WorkMessage
from tests.api.messages import NOW

_NUMBERS = count()


def put(database: Database, *, at: datetime = NOW, owner: str = "web", **over: Any) -> str:
    """An accepted request that is published; its id. `over`: columns, or fields of the request."""
    columns = {
        name: over.pop(name) for name in list(over) if name in Clip.__table__.columns and name != "mode"
    }
    fields = {
        "hand_id": "hand-1",
        "nas_video_path": "/nas/a.mp4",
        "start_seconds": 1,
        "end_seconds": 31,
        **over,
    }
    if "hand_id" in columns:
        fields["hand_id"] = columns.pop("hand_id")
    message = RequestMessage.of(
        ClipRequest(**fields),
        request_id=f"clip-20261120-{next(_NUMBERS):012d}",
        owner=owner,
        requested_at=at,
    )
    return _put(database, message, columns)


def put_reel(database: Database, *, count: int = 2, at: datetime = NOW, **columns: Any) -> str:
    """As `put`, for a reel of `count` parts."""
    parts = [
        {"nas_video_path": "/nas/a.mp4", "start_seconds": 20 * n, "end_seconds": 20 * n + 10}
        for n in range(count)
    ]
    message = ReelMessage.of(
        ReelRequest(reel_id="reel-1", clips=parts),
        request_id=f"reel-20261120-{next(_NUMBERS):012d}",
        owner=columns.pop("owner", "web"),
        requested_at=at,
    )
    return _put(database, message, columns)


def _put(database: Database, message: WorkMessage, columns: dict[str, Any]) -> str:
    with database.write() as session:
        clips.add(session.connection(), [clips.row_of(message)])
        row = clips.find(session, message.request_id)
        for name, value in columns.items():
            setattr(row, name, value)
    return message.request_id


def get(database: Database, request_id: str) -> Clip:
    with database.read() as session:
        found = clips.find(session, request_id)
    assert found is not None
    return found


def unsent(database: Database) -> list[str]:
    """The ids of the requests in the outbox, sorted."""
    with database.read() as session:
        keys = select(OutboxMessage.key).where(OutboxMessage.topic == REQUESTS)
        return list(session.scalars(keys.order_by(OutboxMessage.key)))


def report(database: Database, message: CompletionMessage | ProgressMessage, *, at: datetime = NOW) -> None:
    """An agent's message, applied at a moment."""
    kind = "complete" if isinstance(message, CompletionMessage) else "progress"
    Ingest(database, ManualClock(at)).take(kind, "1", message.to_json(), {})
