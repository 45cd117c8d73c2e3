"""Calls that are committed together: which requests are stored, and each call's response. No I/O.

The result is that of the calls one after the other: a key belongs to the first call that succeeds, and
quotas are used up in the calls' order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from api.clips.idempotency import Repeat, same_answer
from api.clips.quotas import ShortsUsedUp
from api.db.idempotency import Kept
from api.db.outbox import Entry
from clipping.errors import RequestError

Name = tuple[str, str]
"""An owner and a key."""
Refusals = Sequence[ShortsUsedUp | None]
"""Why the requests of a call are not stored, in their order; None for those that are."""


@dataclass(frozen=True, eq=False)
class Request:
    """One request to store."""

    row: Mapping[str, Any]
    """Of `api.db.clips.row_of`."""
    entry: Entry

    @property
    def short(self) -> bool:
        """Whether it counts against the daily quota."""
        return bool(self.row["short"])


@dataclass(frozen=True, eq=False)
class Call:
    """The valid requests of one call."""

    owner: str
    requests: Sequence[Request]
    answer: Callable[[Refusals], bytes]
    """The response's body. Raises `RequestError` when nothing is stored."""
    repeat: Repeat | None = None

    @property
    def short(self) -> bool:
        """Whether any of its requests counts against the quota."""
        return any(request.short for request in self.requests)

    @property
    def may_wait(self) -> bool:
        """Whether it may have to wait for another process's transaction."""
        return self.short or self.repeat is not None or any(each.row["retry_of"] for each in self.requests)

    @property
    def name(self) -> Name | None:
        """The name of its key."""
        return (self.repeat.owner, self.repeat.key) if self.repeat else None


@dataclass(frozen=True)
class Answer:
    """The response: 202 for a new request, 200 for the repetition of an earlier call."""

    body: bytes
    repeated: bool = False

    @property
    def status(self) -> int:
        return 200 if self.repeated else 202


class Quota(Protocol):
    """One caller's quota."""

    def take(self) -> None:
        """Use it once. Raises `ShortsUsedUp`."""


@dataclass
class Decision:
    """What becomes of a group."""

    outcomes: list[Answer | RequestError] = field(default_factory=list)
    """By call."""
    stored: list[Request] = field(default_factory=list)
    keys: dict[Name, Kept] = field(default_factory=dict)
    """The responses to keep."""


def decide(calls: Sequence[Call], kept: Mapping[Name, Kept], quotas: Mapping[str, Quota]) -> Decision:
    """Decide on all calls in their order.

    `kept` has the responses of earlier groups, `quotas` those of the callers that want upright clips.
    """
    decision = Decision()
    for call in calls:
        try:
            outcome: Answer | RequestError = _one(call, kept, quotas, decision)
        except RequestError as error:
            outcome = error
        decision.outcomes.append(outcome)
    return decision


def _one(call: Call, kept: Mapping[Name, Kept], quotas: Mapping[str, Quota], decision: Decision) -> Answer:
    if call.repeat is not None and call.name is not None:
        first = kept.get(call.name) or decision.keys.get(call.name)
        if first is not None:
            return Answer(same_answer(call.repeat, first), repeated=True)
    refusals = [_refusal(request, quotas[call.owner]) if request.short else None for request in call.requests]
    body = call.answer(refusals)
    decision.stored += [
        request for request, refused in zip(call.requests, refusals, strict=True) if refused is None
    ]
    if call.repeat is not None and call.name is not None:
        decision.keys[call.name] = Kept(call.repeat.body_hash, body)
    return Answer(body)


def _refusal(request: Request, quota: Quota) -> ShortsUsedUp | None:
    try:
        quota.take()
    except ShortsUsedUp as error:
        return error
    return None
