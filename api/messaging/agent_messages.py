"""Applies the agents' messages to the database, whether they were pulled or pushed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal, TypeVar

from api.db import clips
from api.db.engine import Database
from api.db.parked import park
from api.db.transition import Transition, transition
from api.domain import request_state as rules
from clipping.bus.groups import Received
from clipping.clock import Clock
from clipping.contract.messages import (
    REQUEST_ID,
    CompletionMessage,
    LastError,
    PartProgress,
    ProgressMessage,
)
from clipping.contract.reel import MAX_PARTS, parse_work
from clipping.errors import InvalidRequest, QueueUnavailable
from clipping.log import get_logger

Kind = Literal["complete", "progress", "dead-letter"]
KINDS: tuple[Kind, ...] = ("complete", "progress", "dead-letter")

_ATTEMPTS = "CloudPubSubDeadLetterSourceDeliveryCount"
"""The attribute with the number of times that Pub/Sub had delivered a dead letter."""
_MAX_COUNT = 2**53
_REQUEST_ID = re.compile(REQUEST_ID)
_MAX_NAME = 64
_MAX_ERROR_MESSAGE = 10_000
_EARLIEST, _LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
_Message = TypeVar("_Message", CompletionMessage, ProgressMessage)

log = get_logger(__name__)


class Ingest:
    """Applies messages. Thread-safe. `on_retry` is called with the code of each new error."""

    def __init__(
        self, database: Database, clock: Clock, *, on_retry: Callable[[str], None] = lambda code: None
    ) -> None:
        self._database = database
        self._clock = clock
        self._on_retry = on_retry

    def take(self, kind: Kind, message_id: str, data: bytes, attributes: Mapping[str, str]) -> None:
        """Apply one message; when this returns, it may be acknowledged.

        An invalid message is stored for inspection, one of an unknown request is logged. Raises
        `QueueUnavailable` when the database is unavailable: the message must be delivered again.
        """
        if (message := self._read(kind, message_id, data, attributes)) is not None:
            self._apply(kind, [message])

    def take_all(self, kind: Kind, group: Sequence[Received]) -> list[Received]:
        """Apply messages in one transaction. Returns those that may be acknowledged; never raises.

        If one of them fails, each is applied by itself.
        """
        settled: list[Received] = []
        valid: list[tuple[Received, rules.AgentMessage]] = []
        try:
            for each in group:
                message = self._read(kind, each.message_id, each.data, each.attributes)
                if message is None:
                    settled.append(each)
                else:
                    valid.append((each, message))
            self._apply(kind, [message for _, message in valid])
            return [*settled, *(each for each, _ in valid)]
        except QueueUnavailable as error:
            # They are delivered again after the subscription's backoff, and applying one twice is harmless.
            log.warning("intake.again", kind=kind, messages=len(group) - len(settled), reason=error.message)
            return settled
        except Exception:  # one bad message must not fail the others: each is applied alone
            log.exception("intake.group_failed", kind=kind, messages=len(valid))
        return settled + [each for each, message in valid if self._applied_alone(kind, each, message)]

    def _applied_alone(self, kind: Kind, each: Received, message: rules.AgentMessage) -> bool:
        try:
            self._apply(kind, [message])
        except QueueUnavailable as error:
            log.warning("intake.again", kind=kind, messages=1, reason=error.message)
            return False
        except Exception:  # it must not stop the others
            log.exception("intake.failed", kind=kind, message_id=each.message_id)
            return False
        return True

    def _read(
        self, kind: Kind, message_id: str, data: bytes, attributes: Mapping[str, str]
    ) -> rules.AgentMessage | None:
        """The message. An invalid one is stored, and None."""
        try:
            return self._parse(kind, data, attributes)
        except InvalidRequest as error:
            self.park(kind, message_id, data, attributes, error.message)
            return None

    def _apply(self, kind: Kind, messages: Sequence[rules.AgentMessage]) -> None:
        if not messages:
            return
        now = self._clock.now()
        applied: list[tuple[rules.AgentMessage, Transition | None]] = []
        with self._database.write() as session:
            rows = clips.find_all(session, {message.request_id for message in messages})
            for message in messages:
                clip = rows.get(message.request_id)
                change = None
                if clip is not None:
                    if kind == "dead-letter" and clip.cancel_requested_at is not None:
                        message = rules.cancelled(request_id=clip.request_id, hand_id=clip.hand_id, now=now)
                    change = transition(clip, message, now=now)
                    if not rules.is_stale(change.before, message):
                        clip.last_sign_at = now
                applied.append((message, change))
        for message, change in applied:
            self._log(kind, message, change)

    def _log(self, kind: Kind, message: rules.AgentMessage, change: Transition | None) -> None:
        """Log and count what a message did. Call it after the transaction is committed."""
        if change is None:
            log.warning("intake.unknown_request", kind=kind, request_id=message.request_id)
            return
        before, failure = change.before, change.after.last_failure
        if rules.is_stale(before, message):
            log.info(
                "intake.stale",
                kind=kind,
                request_id=message.request_id,
                epoch=message.epoch,
                known=before.epoch,
            )
        if failure is not None and failure is not before.last_failure:
            self._on_retry(failure.error.code)
            log.info(
                "request.retrying",
                request_id=message.request_id,
                attempt=failure.attempt,
                code=failure.error.code,
                error=failure.error.message,
            )
        change.log(kind)

    def park(
        self, source: str, message_id: str, data: bytes, attributes: Mapping[str, str], reason: str
    ) -> None:
        """Store an invalid message for inspection. Raises `QueueUnavailable`."""
        with self._database.write() as session:
            park(
                session,
                source=source,
                message_id=message_id,
                data=data,
                attributes=attributes,
                reason=reason,
                now=self._clock.now(),
            )
        log.error("intake.parked", source=source, message_id=message_id, reason=reason, bytes=len(data))

    def _parse(
        self, kind: Kind, data: bytes, attributes: Mapping[str, str]
    ) -> CompletionMessage | ProgressMessage:
        match kind:
            case "complete":
                # As it will be read from the database: a NaN, for example, would not be read as a number.
                return CompletionMessage.from_json(_bounded(CompletionMessage.from_json(data)).to_json())
            case "progress":
                return _bounded(ProgressMessage.from_json(data))
            case "dead-letter":
                dead = parse_work(data)
                count = attributes.get(_ATTEMPTS, "")
                return rules.given_up(
                    request_id=dead.request_id,
                    hand_id=dead.hand_id,
                    attempts=int(count) if count.isascii() and count.isdecimal() and len(count) < 8 else 0,
                    now=self._clock.now(),
                )


def _bounded(message: _Message) -> _Message:
    """The message. Raises `InvalidRequest` when a value does not fit into the database."""
    if not _REQUEST_ID.fullmatch(message.request_id):
        raise InvalidRequest("request_id is not a valid request id", field="request_id")
    if len(message.agent_id) > _MAX_NAME or "\0" in message.agent_id:
        raise InvalidRequest(f"agent_id must be at most {_MAX_NAME} characters long", field="agent_id")
    counts: dict[str, int | None] = {"attempt": message.attempt, "epoch": message.epoch}
    moments: dict[str, datetime | None] = {}
    if isinstance(message, ProgressMessage):
        counts["seq"] = message.seq
        moments["next_attempt_at"] = message.next_attempt_at
        if message.last_error is not None:
            _bound_error(message.last_error)
            moments["last_error.at"] = message.last_error.at
        _bound_parts(message.parts or ())
    else:
        counts["file_size_bytes"] = message.file_size_bytes
        moments["completed_at"] = message.completed_at
        moments["download_url_expires_at"] = message.download_url_expires_at
    for name, count in counts.items():
        if count is not None and not 0 <= count < _MAX_COUNT:
            raise InvalidRequest(f"{name} must be between 0 and {_MAX_COUNT - 1}", field=name)
    for name, moment in moments.items():
        if moment is not None and not _EARLIEST <= moment <= _LATEST:
            raise InvalidRequest(f"{name} is out of range", field=name)
    return message


def _bound_parts(parts: Sequence[PartProgress]) -> None:
    if len(parts) > MAX_PARTS or any(not 0 <= part.index < MAX_PARTS for part in parts):
        raise InvalidRequest(f"parts must have at most {MAX_PARTS} parts, counted from 0", field="parts")


def _bound_error(error: LastError) -> None:
    if len(error.code) > _MAX_NAME or "\0" in error.code:
        raise InvalidRequest(
            f"last_error.code must be at most {_MAX_NAME} characters long", field="last_error.code"
        )
    if error.part is not None and not 0 <= error.part < MAX_PARTS:
        raise InvalidRequest(f"last_error.part must be below {MAX_PARTS}", field="last_error.part")
    if len(error.message) > _MAX_ERROR_MESSAGE:
        raise InvalidRequest(
            f"last_error.message must be at most {_MAX_ERROR_MESSAGE} characters long",
            field="last_error.message",
        )
