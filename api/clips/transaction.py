"""Writes a group of calls: keys, quotas, rows and outbox entries in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from api.clips.group import Call, Decision, Name, decide
from api.clips.idempotency import claim_or_find, forget_answer, is_over
from api.clips.quotas import ShortsQuota
from api.db import clips, idempotency, outbox
from api.db.idempotency import Kept
from api.db.outbox import Message
from api.domain.retention import Retention


def write_group(
    connection: Connection,
    calls: Sequence[Call],
    *,
    shorts_per_day: int,
    retention: Retention,
    now: datetime,
    due: datetime,
) -> tuple[Decision, list[Message]]:
    """Decide on the calls and write what they store, in the connection's transaction.

    Returns the messages to publish, which the outbox has from `due` on.
    """
    if any(call.repeat is not None or call.short for call in calls):
        decision = _decide(connection, calls, shorts_per_day, retention, now)
    else:
        decision = decide(calls, {}, {})
    if not decision.stored:
        return decision, []
    rows = [request.row for request in decision.stored]
    clips.add(connection, rows)
    clips.note_retries(connection, {row["retry_of"]: row["request_id"] for row in rows if row["retry_of"]})
    return decision, outbox.add(connection, [request.entry for request in decision.stored], due=due)


def _decide(
    connection: Connection, calls: Sequence[Call], shorts_per_day: int, retention: Retention, now: datetime
) -> Decision:
    # Keys before quotas, and each in the same order everywhere, so that processes do not wait for each other.
    with Session(connection) as session:
        claimed, kept = _claim(session, calls, retention, now)
        owners = sorted({call.owner for call in calls if call.short and call.name not in kept})
        quotas = {owner: ShortsQuota(session, owner, limit=shorts_per_day, now=now) for owner in owners}
        for quota in quotas.values():
            quota.read()
        decision = decide(calls, kept, quotas)
        for name, first in claimed.items():
            final = decision.keys.get(name)
            if final is None:
                idempotency.release(session, *name)
            elif final != first:
                idempotency.change(session, *name, final)
    return decision


def _claim(
    session: Session, calls: Sequence[Call], retention: Retention, now: datetime
) -> tuple[dict[Name, Kept], dict[Name, Kept]]:
    """The keys that are new, with the responses that are now stored, and those of earlier groups."""
    first: dict[Name, Call] = {}
    for call in calls:
        if call.name is not None:
            first.setdefault(call.name, call)
    claimed, kept = dict[Name, Kept](), dict[Name, Kept]()
    for name, call in sorted(first.items(), key=lambda item: item[0]):
        assert call.repeat is not None, "it has a name"
        body = call.answer([None] * len(call.requests))  # the response if no quota refuses a request
        found = claim_or_find(session, call.repeat, body, now=now)
        same = found is not None and found.body_hash == call.repeat.body_hash
        if found is not None and same and is_over(session, found.answer, retention, now=now):
            forget_answer(session, call.repeat)
            found = claim_or_find(session, call.repeat, body, now=now)
        if found is None:
            claimed[name] = Kept(call.repeat.body_hash, body)
        else:
            kept[name] = found
    return claimed, kept
