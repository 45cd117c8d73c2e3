"""Accepts requests: validates them, and builds what a transaction stores and the response."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from api.auth.callers import Caller
from api.clips.committer import Committer
from api.clips.estimates import Estimator
from api.clips.group import Answer, Call, Refusals, Request
from api.clips.idempotency import Repeat, first_answer, is_over
from api.clips.recordings import RecordingIds, check_allowed, check_inside_roots
from api.clips.uploads import UploadCheck, Uploads
from api.clips.views import problem_of
from api.db import clips
from api.db.engine import Database
from api.db.outbox import REQUESTS, Entry
from api.db.tables import Clip
from api.domain.retention import Retention
from clipping.clock import Clock
from clipping.config import Config, roots_of
from clipping.contract.messages import ClipRequest, RequestMessage, check_length, parse_clip_request
from clipping.contract.problems import first_problem
from clipping.contract.reel import (
    ReelMessage,
    ReelRequest,
    WorkMessage,
    check_reel_length,
    parse_reel_request,
)
from clipping.contract.reel_parts import ReelPart
from clipping.contract.results import Accepted, Batch, BatchItem, ReelAccepted
from clipping.errors import InvalidRequest, RequestError, SourceNotAllowed
from clipping.ids import new_batch_id, new_reel_id, new_request_id
from clipping.log import get_logger
from clipping.store.access import source_object

log = get_logger(__name__)


@dataclass(frozen=True)
class Item:
    """A valid request of a batch, and its index."""

    index: int
    client_item_id: str | None
    wanted: ClipRequest


@dataclass(frozen=True)
class Acceptor:
    """Accepts requests. Thread-safe."""

    config: Config
    clock: Clock
    database: Database
    committer: Committer
    estimator: Estimator
    uploads: Uploads
    ids: RecordingIds

    def parse(self, body: object, caller: Caller, *, check: UploadCheck | None = None) -> ClipRequest:
        """A caller's request, validated against the configuration. `check`: of a batch, the same for all.

        Raises `InvalidRequest`.
        """
        limits = self.config.limits
        wanted = parse_clip_request(
            self.ids.in_clip(body, roots_of(self.config.api, caller.name)),
            max_clip_seconds=limits.max_clip_seconds,
            max_short_seconds=limits.max_short_seconds,
            high_mode=self.config.cutting.default_mode,
        )
        self._check_recording(wanted, caller.name, check or self.uploads.check())
        return wanted

    def parse_reel(self, body: object, caller: Caller) -> ReelRequest:
        """As `parse`, for a reel."""
        limits = self.config.limits
        wanted = parse_reel_request(
            self.ids.in_reel(body, roots_of(self.config.api, caller.name)),
            max_reel_seconds=limits.max_reel_seconds,
            max_clip_seconds=limits.max_clip_seconds,
        )
        self._check_recordings(wanted, caller.name)
        return wanted

    def parse_again(self, clip: Clip) -> ClipRequest | ReelRequest:
        """What was requested by this row, validated against the configuration of now. Raises
        `InvalidRequest`."""
        limits = self.config.limits
        try:
            wanted = clips.request_of(clip)
        except ValidationError as error:
            raise first_problem(error) from None
        if isinstance(wanted, ReelRequest):
            check_reel_length(
                wanted, max_reel_seconds=limits.max_reel_seconds, max_clip_seconds=limits.max_clip_seconds
            )
            self._check_recordings(wanted, clip.owner)
            return wanted
        check_length(
            wanted, max_clip_seconds=limits.max_clip_seconds, max_short_seconds=limits.max_short_seconds
        )
        self._check_recording(wanted, clip.owner, self.uploads.check())
        return wanted

    def _check_recordings(self, wanted: ReelRequest, owner: str) -> None:
        check = self.uploads.check()
        for index, part in enumerate(wanted.clips):
            self._check_recording(part, owner, check, within=f"clips[{index}].")

    def _check_recording(
        self, wanted: ClipRequest | ReelPart, owner: str, check: UploadCheck, *, within: str = ""
    ) -> None:
        """A first check of where the recording is; the agent makes it again. Raises `InvalidRequest`."""
        if wanted.nas_video_path is not None:
            field = f"{within}nas_video_path"
            roots = roots_of(self.config.api, owner)
            if roots is not None:
                check_allowed(wanted.nas_video_path, roots, field=field)
            check_inside_roots(wanted.nas_video_path, self.config.agent.nas_roots, field=field)
        if wanted.source_uri is not None:
            field = f"{within}source_uri"
            try:
                root = self.uploads.stores.root(owner)
                source_object(wanted.source_uri, owner=owner, config=self.config, own_root=root)
            except SourceNotAllowed:
                raise InvalidRequest(
                    f"{field} must be an upload of yours, or an object in a bucket that you may cut from",
                    field=field,
                ) from None
            check.require(wanted.source_uri, owner, name=field)

    def earlier_answer(self, repeat: Repeat | None) -> Answer | None:
        """The response to an earlier identical call. Checked first, as limits may have changed since."""
        if repeat is None:
            return None
        with self.database.read() as session:
            now = self.clock.now()
            found = first_answer(session, repeat, now=now)
            if found is not None and is_over(session, found, Retention.of(self.config), now=now):
                return None
        return Answer(found, repeated=True) if found is not None else None

    def accept_one(
        self,
        wanted: ClipRequest | ReelRequest,
        owner: str,
        *,
        traceparent: str,
        repeat: Repeat | None,
        retry_of: str | None = None,
    ) -> Answer:
        """Store a request, to be published. `retry_of`: the request that it repeats.

        Raises `QuotaExceeded`, `IdempotencyConflict`, `QueueUnavailable`.
        """
        made = self._make(wanted, owner, traceparent=traceparent, retry_of=retry_of)
        body = self._accepted(made).to_json().encode()

        def answer(refusals: Refusals) -> bytes:
            for refused in refusals:
                if refused is not None:
                    raise refused
            return body

        stored = self.committer.commit(Call(owner, [made], answer, repeat))
        if not stored.repeated:
            _log(made)
        return stored

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
        batch_id = new_batch_id(self.clock.now())
        made = [
            self._make(
                item.wanted, caller.name, traceparent=traceparent, batch=(batch_id, item.client_item_id)
            )
            for item in items
        ]

        def answer(refusals: Refusals) -> bytes:
            used_up = [error for error in refusals if error is not None]
            if len(used_up) == len(made):
                raise used_up[-1]
            return _batch(batch_id, items, made, refusals, refused).to_json().encode()

        stored = self.committer.commit(Call(caller.name, made, answer, repeat))
        if not stored.repeated:
            accepted = {item.request_id for item in Batch.model_validate_json(stored.body).items}
            for one in made:
                if one.entry.key in accepted:
                    _log(one)
        return stored

    def _make(
        self,
        wanted: ClipRequest | ReelRequest,
        owner: str,
        *,
        traceparent: str,
        retry_of: str | None = None,
        batch: tuple[str | None, str | None] = (None, None),
    ) -> Request:
        now = self.clock.now()
        # Responses have milliseconds; the stored and published times have to be equal.
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        message = _message(wanted, owner, now, roots_of(self.config.api, owner))
        row = clips.row_of(message)
        row["batch_id"], row["client_item_id"] = batch
        row["traceparent"], row["retry_of"] = traceparent, retry_of
        row["estimated_seconds"] = self.estimator.work(message.mode, message.lane, message.source_seconds)
        attributes = clips.attributes(message.request_id, message.lane, message.priority, traceparent)
        return Request(row, Entry(REQUESTS, message.request_id, message.to_json(), attributes, now))

    def _accepted(self, made: Request) -> Accepted:
        row = made.row
        estimate = self.estimator.estimate(row["lane"], row["estimated_seconds"])
        place = f"{self.config.api.public_url.rstrip('/')}/v1/{row['kind']}/{row['request_id']}"
        accepted = Accepted(
            request_id=row["request_id"],
            hand_id=row["hand_id"],
            mode=row["mode"],
            estimated_duration_sec=estimate.ready_seconds,
            queue_position=estimate.ahead + 1,
            created_at=row["created_at"],
            status_url=f"{place}/status",
            retry_of=row["retry_of"],
        )
        if row["kind"] == "clip":
            return accepted
        return ReelAccepted(**accepted.model_dump(), reel_id=row["hand_id"])


def _message(
    wanted: ClipRequest | ReelRequest, owner: str, now: datetime, roots: list[str] | None
) -> WorkMessage:
    named: dict[str, Any] = {"owner": owner, "requested_at": now, "roots": roots}
    if isinstance(wanted, ReelRequest):
        return ReelMessage.of(wanted, request_id=new_reel_id(now), **named)
    return RequestMessage.of(wanted, request_id=new_request_id(now), **named)


def _batch(
    batch_id: str,
    items: Sequence[Item],
    made: Sequence[Request],
    refusals: Refusals,
    refused: Mapping[int, BatchItem],
) -> Batch:
    by_index = dict(refused)
    for item, one, error in zip(items, made, refusals, strict=True):
        by_index[item.index] = (
            BatchItem(client_item_id=item.client_item_id, request_id=one.entry.key)
            if error is None
            else refusal(item.client_item_id, error)
        )
    return Batch(batch_id=batch_id, items=[by_index[index] for index in sorted(by_index)])


def refusal(client_item_id: str | None, error: RequestError) -> BatchItem:
    """The result of an invalid item in a batch's response."""
    return BatchItem(client_item_id=client_item_id, error=problem_of(error))


def none_is_good(refused: Mapping[int, BatchItem]) -> RequestError:
    """The error of a batch without any valid item: it states the reason of the first one."""
    index = min(refused)
    first = refused[index].error
    assert first is not None, "every refused item says why"
    field = f"clips[{index}]" + (f".{first.field}" if first.field else "")
    return InvalidRequest(f"none of the clips can be accepted; the first one: {first.message}", field=field)


def _log(made: Request) -> None:
    row = made.row
    log.info(
        "request.accepted",
        request_id=row["request_id"],
        owner=row["owner"],
        mode=row["mode"],
        lane=row["lane"],
        batch_id=row["batch_id"],
        retry_of=row["retry_of"],
    )
