"""Accepts requests: one transaction writes the rows, their outbox entries and the stored response."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from api.auth.callers import Caller
from api.clips.estimates import Estimator
from api.clips.idempotency import Repeat, first_answer, keep_answer
from api.clips.quotas import ShortsQuota, ShortsUsedUp
from api.clips.views import problem_of
from api.db import clips
from api.db.engine import Database
from api.db.outbox import REQUESTS, Message
from api.db.tables import Clip
from api.messaging.outbox_publisher import OutboxPublisher
from clipping.clock import Clock
from clipping.config import Config, NasRoot
from clipping.contract.messages import ClipRequest, RequestMessage, parse_clip_request
from clipping.contract.results import Accepted, Batch, BatchItem
from clipping.errors import InvalidRequest, RequestError
from clipping.ids import new_batch_id, new_request_id
from clipping.log import get_logger

log = get_logger(__name__)


@dataclass(frozen=True)
class Answer:
    """The response: 202 for a new request, 200 for the repetition of an earlier call."""

    body: bytes
    repeated: bool = False

    @property
    def status(self) -> int:
        return 200 if self.repeated else 202


@dataclass(frozen=True)
class Item:
    """A valid request of a batch, and its index."""

    index: int
    client_item_id: str | None
    wanted: ClipRequest


@dataclass(frozen=True)
class _Made:
    """A request that has an id and is not stored yet."""

    row: Clip
    message: RequestMessage


@dataclass(frozen=True)
class Acceptor:
    """Accepts requests. Thread-safe."""

    config: Config
    clock: Clock
    database: Database
    outbox: OutboxPublisher
    estimator: Estimator

    def parse(self, body: object) -> ClipRequest:
        """A caller's request, validated against the configuration. Raises `InvalidRequest`."""
        limits = self.config.limits
        wanted = parse_clip_request(
            body,
            max_clip_seconds=limits.max_clip_seconds,
            max_short_seconds=limits.max_short_seconds,
            high_mode=self.config.cutting.default_mode,
        )
        check_inside_roots(wanted.nas_video_path, self.config.agent.nas_roots)
        return wanted

    def earlier_answer(self, repeat: Repeat | None) -> Answer | None:
        """The response to an earlier identical call. Checked first, as limits may have changed since."""
        if repeat is None:
            return None
        with self.database.read() as session:
            found = first_answer(session, repeat, now=self.clock.now())
        return Answer(found, repeated=True) if found is not None else None

    def accept_one(
        self, wanted: ClipRequest, caller: Caller, *, traceparent: str, repeat: Repeat | None
    ) -> Answer:
        """Store and publish a request. Raises `QuotaExceeded`, `IdempotencyConflict`, `QueueUnavailable`."""
        made = self._make(wanted, caller, traceparent=traceparent)
        answer = self._accepted(made).to_json().encode()
        with self.database.write() as session:
            earlier = keep_answer(session, repeat, answer, now=made.row.created_at) if repeat else None
            if earlier is not None:
                return Answer(earlier, repeated=True)
            if made.row.short:
                self._quota(session, caller, made.row.created_at).take()
            clips.add(session, [made.row])
            message = self._enqueue(session, made)
        published = self.outbox.publish(message)
        _log(made.row, published=published)
        return Answer(answer)

    def accept_batch(
        self,
        items: Sequence[Item],
        refused: Mapping[int, BatchItem],
        caller: Caller,
        *,
        traceparent: str,
        repeat: Repeat | None,
    ) -> Answer:
        """Store the valid requests together, as far as quotas allow; `refused` has the errors of the others
        by index.

        Raises the first error when none is left, `IdempotencyConflict`, `QueueUnavailable`.
        """
        now = self.clock.now()
        batch_id = new_batch_id(now)
        made = [(item, self._make(item.wanted, caller, traceparent=traceparent)) for item in items]
        items_by_place, stored = dict(refused), list[_Made]()
        used_up: ShortsUsedUp | None = None
        with self.database.write() as session:
            quota = self._quota(session, caller, now)
            for item, one in made:
                one.row.batch_id, one.row.client_item_id = batch_id, item.client_item_id
                try:
                    if one.row.short:
                        quota.take()
                except ShortsUsedUp as error:
                    used_up = error
                    items_by_place[item.index] = refusal(item.client_item_id, error)
                    continue
                stored.append(one)
                items_by_place[item.index] = BatchItem(
                    client_item_id=item.client_item_id, request_id=one.row.request_id
                )
            if not stored:
                # A concurrent identical call may have used up the quota.
                earlier = first_answer(session, repeat, now=now) if repeat else None
                if earlier is not None:
                    return Answer(earlier, repeated=True)
                raise used_up or none_is_good(items_by_place)
            clips.add(session, [one.row for one in stored])
            for one in stored:
                self._enqueue(session, one, deferred=True)
            batch = Batch(
                batch_id=batch_id, items=[items_by_place[index] for index in sorted(items_by_place)]
            )
            answer = batch.to_json().encode()
            earlier = keep_answer(session, repeat, answer, now=now) if repeat else None
            if earlier is not None:
                session.rollback()
                return Answer(earlier, repeated=True)
        self.outbox.wake()
        for one in stored:
            _log(one.row, published=False)
        return Answer(answer)

    def _make(self, wanted: ClipRequest, caller: Caller, *, traceparent: str) -> _Made:
        now = self.clock.now()
        # Responses have milliseconds; the stored and published times have to be equal.
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        message = RequestMessage.of(
            wanted, request_id=new_request_id(now), owner=caller.name, requested_at=now
        )
        row = clips.row_of(message)
        row.traceparent = traceparent
        length = message.out_seconds - message.in_seconds
        row.estimated_seconds = self.estimator.work(message.mode, message.lane, length)
        return _Made(row, message)

    def _enqueue(self, session: Session, made: _Made, *, deferred: bool = False) -> Message:
        return self.outbox.add(
            session,
            REQUESTS,
            made.row.request_id,
            made.message.to_json(),
            attributes=clips.attributes_of(made.row),
            now=made.row.created_at,
            deferred=deferred,
        )

    def _accepted(self, made: _Made) -> Accepted:
        message = made.message
        estimate = self.estimator.estimate(message.lane, made.row.estimated_seconds or 0.0)
        return Accepted(
            request_id=message.request_id,
            hand_id=message.hand_id,
            mode=message.mode,
            estimated_duration_sec=estimate.ready_seconds,
            queue_position=estimate.ahead + 1,
            created_at=made.row.created_at,
            status_url=f"{self.config.api.public_url.rstrip('/')}/v1/clip/{message.request_id}/status",
        )

    def _quota(self, session: Session, caller: Caller, now: datetime) -> ShortsQuota:
        return ShortsQuota(session, caller.name, limit=self.config.limits.shorts_per_day, now=now)


def refusal(client_item_id: str | None, error: RequestError) -> BatchItem:
    """The result of an invalid item in a batch's response."""
    return BatchItem(client_item_id=client_item_id, error=problem_of(error))


def none_is_good(refused: Mapping[int, BatchItem]) -> RequestError:
    """The error of a batch without any valid item: it states the reason of the first one."""
    index = min(refused)
    first = refused[index].error
    assert first is not None, "every refused item says why"
    field = f"clips.{index}" + (f".{first.field}" if first.field else "")
    return InvalidRequest(f"none of the clips can be accepted; the first one: {first.message}", field=field)


def check_inside_roots(path: str, roots: Sequence[NasRoot]) -> None:
    """A first check of a path's text; the agent checks the file itself. No roots: the agents decide.

    Raises `InvalidRequest`.
    """
    normal = posixpath.normpath("/" + path.lstrip("/"))
    inside = (normal.startswith(root.path.rstrip("/") + "/") for root in roots)
    if roots and not any(inside):
        raise InvalidRequest(
            "nas_video_path must be a file inside one of the folders that recordings are kept in",
            field="nas_video_path",
        )


def _log(row: Clip, *, published: bool) -> None:
    log.info(
        "request.accepted",
        request_id=row.request_id,
        owner=row.owner,
        mode=row.mode,
        lane=row.lane,
        batch_id=row.batch_id,
        published=published,
    )
