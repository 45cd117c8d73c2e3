"""`Idempotency-Key`: a repeated call gets the first response, on any instance."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from api.db import expiry, idempotency
from api.db.idempotency import Kept
from api.domain.retention import Retention
from clipping.errors import IdempotencyConflict, InvalidRequest

HEADER = "Idempotency-Key"
_KEY = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)


@dataclass(frozen=True)
class Repeat:
    """The key of a call that may be a repetition, and the hash of its content."""

    owner: str
    key: str
    body_hash: str
    """SHA-256 (hex) of the path and the decoded body: spaces and the order of fields don't matter."""


def repeat_of(key: str | None, *, owner: str, path: str, body: object) -> Repeat | None:
    """`key` is the header's value; None for a call without it. Raises `InvalidRequest`."""
    if key is None:
        return None
    if not _KEY.fullmatch(key):
        raise InvalidRequest(f"{HEADER} must be 1 to 255 visible ASCII characters", field=HEADER)
    # A value that is not valid JSON is a `Flaw` of one clip in a batch; the other clips may be valid.
    content = json.dumps([path, body], sort_keys=True, default=str)
    return Repeat(owner, key, hashlib.sha256(content.encode()).hexdigest())


def same_answer(repeat: Repeat, kept: Kept) -> bytes:
    """The response to the first call with the key. Raises `IdempotencyConflict`."""
    if kept.body_hash != repeat.body_hash:
        raise IdempotencyConflict(
            f"this {HEADER} was used for another request: use a new one for each", field=HEADER
        )
    return kept.answer


def first_answer(session: Session, repeat: Repeat, *, now: datetime) -> bytes | None:
    """The response to the first such call; None when this is the first. Raises `IdempotencyConflict`."""
    found = idempotency.find(session, repeat.owner, repeat.key, since=now - idempotency.KEPT)
    return same_answer(repeat, found) if found is not None else None


def keep_answer(session: Session, repeat: Repeat, answer: bytes, *, now: datetime) -> bytes | None:
    """Store the response in the same transaction as its effects.

    If a concurrent call was faster, return its response and write nothing. Raises `IdempotencyConflict`.
    """
    found = claim_or_find(session, repeat, answer, now=now)
    return same_answer(repeat, found) if found is not None else None


def claim_or_find(session: Session, repeat: Repeat, answer: bytes, *, now: datetime) -> Kept | None:
    """Store the response; if another call has used the key, write nothing and return that one's."""
    since = now - idempotency.KEPT
    kept = Kept(repeat.body_hash, answer)
    while not idempotency.claim(session, repeat.owner, repeat.key, kept, status=202, now=now, since=since):
        found = idempotency.find(session, repeat.owner, repeat.key, since=since)
        if found is not None:  # else it was released meanwhile
            return found
    return None


def is_over(session: Session, answer: bytes, retention: Retention, *, now: datetime) -> bool:
    """Whether everything that the stored response names was made and has expired: the same call may then be
    made again."""
    body = json.loads(answer)
    items = body.get("items", [body])
    ids = [item["request_id"] for item in items if "request_id" in item]
    return expiry.are_all_expired(session, ids, retention.cutoffs(now))


def forget_answer(session: Session, repeat: Repeat) -> None:
    """Free the key, in the transaction that reverts the effects of its call."""
    idempotency.release(session, repeat.owner, repeat.key)
