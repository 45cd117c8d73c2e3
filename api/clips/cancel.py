"""Cancels requests: writes a mark to the store, which the agents check, and then changes the row.

The mark is written first. Every clip with the status `cancelled` has one, so that no agent cuts it. If a
crash leaves a mark without the changed row, an agent reports `cancelled`, as the caller requested.
"""

from __future__ import annotations

import json
from datetime import datetime

from api.db import clips, outbox
from api.db.engine import Database
from api.db.tables import Clip
from api.db.transition import Transition, transition
from api.domain import request_state as rules
from clipping.clock import Clock, rfc3339
from clipping.contract.cluster import cancel_key
from clipping.contract.messages import TERMINAL
from clipping.errors import AlreadyFinished, NotFound, VersionMismatch
from clipping.log import get_logger
from clipping.store.port import Store

log = get_logger(__name__)


def cancel(clip: Clip, *, clock: Clock, database: Database, store: Store) -> Clip:
    """Cancel a clip and return its row. A queued one is cancelled at once, a running one once its agent has
    stopped.

    Raises `AlreadyFinished`, `StoreUnavailable` or `QueueUnavailable`.
    """
    _check_unfinished(clip)
    now = clock.now()
    _mark(clip.request_id, store, now)
    with database.write() as session:
        found = clips.find(session, clip.request_id, for_update=True)
        if found is None:
            raise NotFound("request not found")
        if found.status == "cancelled":  # in the meantime, by the mark
            return found
        _check_unfinished(found)
        found.cancel_requested_at = found.cancel_requested_at or now
        ended: Transition | None = None
        if found.status == "queued":
            end = rules.cancelled(request_id=found.request_id, hand_id=found.hand_id, now=now)
            ended = transition(found, end, now=now)
            outbox.withdraw(session, outbox.REQUESTS, [found.request_id])
    log.info("request.cancel_asked", request_id=found.request_id)
    if ended is not None:
        ended.log("cancel")
    return found


def _check_unfinished(clip: Clip) -> None:
    if clip.status in TERMINAL:
        raise AlreadyFinished(f"nothing to cancel: the {clip.kind} is {clip.status}")


def _mark(request_id: str, store: Store, now: datetime) -> None:
    content = {"request_id": request_id, "requested_at": rfc3339(now)}
    try:
        store.replace(cancel_key(request_id), json.dumps(content).encode(), expected=None)
    except VersionMismatch:
        pass  # it is there already
