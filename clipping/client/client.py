"""The client: one method for each operation of the service."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar
from urllib.parse import quote, urlencode

from pydantic import BaseModel, ValidationError

from clipping.client.failures import ApiError, NoAnswer, Refused, Unavailable, WaitedTooLong
from clipping.client.new_clip import NewClip
from clipping.client.new_reel import NewReel
from clipping.client.saving import Saved, save
from clipping.client.transport import IF_NONE_MATCH, Retries, Transport
from clipping.client.uploading import content_type_of, upload
from clipping.client.watching import Event, watch
from clipping.clock import rfc3339
from clipping.contract import results
from clipping.contract.annotate import Annotations
from clipping.contract.choices import DownloadFile, FailoverMode, Kind, Period, Status
from clipping.contract.messages import kind_of
from clipping.contract.plan import ClipPlan
from clipping.contract.preview import RecordingCatalog
from clipping.text import field_path

MAX_BATCH = 100
PAGE = 200
_KEY_HEADER = "Idempotency-Key"
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)
_PLAN_SECONDS = 45.0
"""A plan may take half a minute."""
_FIRST_LOOK_SECONDS, _LONGEST_LOOK_SECONDS = 0.1, 2.0

_MOST_KNOWN = 1000
"""Statuses of unfinished requests that are remembered, a kilobyte each."""

Result = TypeVar("Result", bound=BaseModel)


class _Known(NamedTuple):
    """The last answer about a request."""

    etag: str
    body: bytes


class Client:
    """The clipping API at `url`, called with `key`. One for each thread; `with` closes its connections.

    `timeout` is how long one attempt waits for data, in seconds; `retries` how often and how long idempotent
    calls are retried.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        timeout: float = 30.0,
        retries: Retries | None = None,
        verify: bool | str = True,
    ) -> None:
        self._transport = Transport(
            url, key=key, timeout=timeout, retries=retries or Retries(), verify=verify
        )
        self._known: dict[str, _Known] = {}
        """By request id, the oldest first."""

    def request(self, clip: NewClip, *, idempotency_key: str | None = None) -> results.Accepted:
        """Request a clip. Calls with the same `idempotency_key` (default: a new one) create one clip."""
        return self._ask("/v1/clip/request", clip.body(), idempotency_key, results.Accepted)

    def plan(self, clip: NewClip) -> ClipPlan:
        """What a request would result in; nothing is requested. Raises `Refused` with the error that the clip
        would fail with, and `Unavailable` when no agent can plan it."""
        timeout = max(self._transport.timeout, _PLAN_SECONDS)
        answer = self._transport.call(
            "POST", "/v1/clip/plan", body=clip.body(), repeatable=True, timeout=timeout
        )
        return _parsed(ClipPlan, answer.body)

    def batch(self, clips: Sequence[NewClip], *, idempotency_key: str | None = None) -> results.Batch:
        """Request 1 to 100 clips. Valid ones are accepted. If none is valid, raises `Refused` for the
        first."""
        body = {"clips": [clip.body() for clip in clips]}
        return self._ask("/v1/clip/batch", body, idempotency_key, results.Batch)

    def request_reel(
        self, reel: NewReel | Mapping[str, Any], *, idempotency_key: str | None = None
    ) -> results.ReelAccepted:
        """Request a reel: typed, or as the service's JSON. `idempotency_key`: as of `request`."""
        body = reel.body() if isinstance(reel, NewReel) else dict(reel)
        return self._ask("/v1/reel/request", body, idempotency_key, results.ReelAccepted)

    def request_annotations(
        self,
        annotations: Annotations,
        *,
        review: bool = True,
        clips: bool = True,
        idempotency_key: str | None = None,
    ) -> tuple[results.ReelAccepted | None, list[results.BatchItem]]:
        """Request the review reel and the clips that annotations become: see `annotate`.

        With an `idempotency_key`, repeated calls create them once. Each clip that is refused has its error;
        raises `Refused` when the reel is, or when all clips are.
        """
        accepted = None
        if review:
            key = f"{idempotency_key}-review" if idempotency_key else None
            accepted = self.request_reel(annotations.review, idempotency_key=key)
        items: list[results.BatchItem] = []
        for start in range(0, len(annotations.clips) if clips else 0, MAX_BATCH):
            body = {"clips": annotations.clips[start : start + MAX_BATCH]}
            key = f"{idempotency_key}-{start}" if idempotency_key else None
            items += self._ask("/v1/clip/batch", body, key, results.Batch).items
        return accepted, items

    def status(self, request_id: str) -> results.ClipStatus:
        """The status of a request. While it has not ended, later calls only transfer changes."""
        known = self._known.pop(request_id, None)
        headers = {IF_NONE_MATCH: known.etag} if known else {}
        answer = self._transport.call("GET", f"{_path(request_id)}/status", headers=headers, repeatable=True)
        body = known.body if known and answer.body is None else answer.body
        status = _parsed(results.ClipStatus, body)
        if body and answer.etag and not status.finished:
            self._known[request_id] = _Known(answer.etag, body)
            if len(self._known) > _MOST_KNOWN:
                del self._known[next(iter(self._known))]
        return status

    def download(self, request_id: str, file: DownloadFile = "video") -> results.Download:
        """A new link to a completed clip or reel. `tsv`: to the table of a reel's parts."""
        query = {"file": file} if file != "video" else None
        return self._get(f"{_path(request_id)}/download", results.Download, query)

    def cancel(self, request_id: str) -> results.ClipStatus:
        """Cancel a request. Raises `Conflict` when it has ended."""
        return self._post(f"{_path(request_id)}/cancel", results.ClipStatus)

    def retry(self, request_id: str, *, idempotency_key: str | None = None) -> results.Accepted:
        """Request again what has failed, was cancelled or has expired. `idempotency_key`: as of `request`.

        Raises `Conflict` when it has not ended, or is completed.
        """
        kind = results.ReelAccepted if kind_of(request_id) == "reel" else results.Accepted
        return self._ask(f"{_path(request_id)}/retry", {}, idempotency_key, kind)

    def events(
        self,
        request_id: str,
        *,
        last_event_id: str | None = None,
        timeout: float | None = None,
        on_failure: Callable[[NoAnswer | Unavailable], None] | None = None,
    ) -> Iterator[Event]:
        """The events of a request until its end. Reconnects and resumes when the stream is interrupted.

        `on_failure` is called with each error before the next attempt. Raises `WaitedTooLong` after `timeout`
        seconds (None: never).
        """
        return watch(self._transport, f"{_path(request_id)}/events", last_event_id, timeout, on_failure)

    def all_events(
        self,
        *,
        kind: Kind | None = None,
        owner: str | None = None,
        last_event_id: str | None = None,
        timeout: float | None = None,
        on_failure: Callable[[NoAnswer | Unavailable], None] | None = None,
    ) -> Iterator[Event]:
        """The events of all your requests (an administrator's: of all, or of `owner`), without an end.

        Of kind `reset`: list your requests now, as events before it are missing. Else as `events`.
        """
        query = {name: value for name, value in (("kind", kind), ("owner", owner)) if value is not None}
        path = f"/v1/events?{urlencode(query)}" if query else "/v1/events"
        return watch(self._transport, path, last_event_id, timeout, on_failure, ends=False)

    def save(
        self,
        request_id: str,
        to: Path | None = None,
        *,
        file: DownloadFile = "video",
        replace: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> Saved:
        """Download a completed clip or reel into a file or folder (default: the working directory), and
        verify it. `tsv`: the table of a reel's parts.

        An interrupted download is resumed. `progress` is called with the downloaded and the total bytes.
        Raises `NotSaved` when the file exists (unless `replace`) or the download is corrupt.
        """
        clip, link = self.status(request_id), self.download(request_id, file)
        return save(self._transport, clip, link, to, file=file, replace=replace, progress=progress)

    def upload(
        self,
        file: Path,
        *,
        content_type: str | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> results.Upload:
        """Upload a recording. Its `source_uri` then names it in requests.

        `content_type`: default by the file's name. `progress` is called with the sent and the total bytes.
        An upload that breaks off is repeated, or goes on where the store can do that. Raises `NotUploaded`.
        """

        def begin(size: int) -> results.Upload:
            kind = content_type or content_type_of(file)
            body = {"filename": file.name, "content_type": kind, "size_bytes": size}
            # Beginning twice does no harm: of an upload that is not used, nothing remains.
            answer = self._transport.call("POST", "/v1/uploads", body=body, repeatable=True)
            return _parsed(results.Upload, answer.body)

        return upload(self._transport, begin, file, progress)

    def wait(self, request_id: str, *, timeout: float | None = None) -> results.ClipStatus:
        """Wait for the end of the request, and return its status. Raises `WaitedTooLong`."""
        began, pause = time.monotonic(), _FIRST_LOOK_SECONDS
        while not (status := self.status(request_id)).finished:
            if timeout is not None and time.monotonic() + pause - began > timeout:
                raise WaitedTooLong(f"{request_id} is still {status.status} after {timeout:g} s")
            time.sleep(pause)
            pause = min(_LONGEST_LOOK_SECONDS, pause * 1.5)
        return status

    def page(
        self,
        *,
        kind: Kind | None = None,
        hand_id: str | None = None,
        status: Status | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> results.ClipPage:
        """Requests, newest first, up to 200 at a time."""
        query = {
            "kind": kind,
            "hand_id": hand_id,
            "status": status,
            "created_after": rfc3339(created_after) if created_after else None,
            "created_before": rfc3339(created_before) if created_before else None,
            "limit": limit,
            "cursor": cursor,
        }
        return self._get("/v1/clips", results.ClipPage, query)

    def clips(
        self,
        *,
        kind: Kind | None = None,
        hand_id: str | None = None,
        status: Status | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
    ) -> Iterator[results.ClipStatus]:
        """All requests, for clips and for reels, newest first, fetched as they are needed."""
        cursor: str | None = None
        while True:
            page = self.page(
                kind=kind,
                hand_id=hand_id,
                status=status,
                created_after=created_after,
                created_before=created_before,
                limit=PAGE,
                cursor=cursor,
            )
            yield from page.clips
            cursor = page.next_cursor
            if cursor is None:
                return

    def recordings(
        self,
        *,
        q: str | None = None,
        root: str | None = None,
        prefix: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> RecordingCatalog:
        """Recordings, up to 200 at a time: a folder, or with `q` what has these words in its path.

        Ids name them in requests (`NewClip.recording_id`). Raises `Missing` for an unknown root or folder, or
        where previews are disabled.
        """
        query = {"q": q, "root": root, "prefix": prefix, "limit": limit, "cursor": cursor}
        return self._get("/v1/recordings", RecordingCatalog, query)

    def stats(self, period: Period = "24h") -> results.Stats:
        """Statistics over a period."""
        return self._get("/v1/stats", results.Stats, {"period": period})

    def stats_timeseries(
        self, period: Period = "24h", *, utc_offset_minutes: int = 0
    ) -> results.StatsTimeseries:
        """Statistics over a period, by hour or by day."""
        query = {"period": period, "utc_offset_minutes": str(utc_offset_minutes)}
        return self._get("/v1/stats/timeseries", results.StatsTimeseries, query)

    def quota(self) -> results.Quota:
        """How many upright clips you may still request."""
        return self._get("/v1/quota", results.Quota)

    def health(self) -> results.Health:
        """The service's health. Raises `Unavailable` when it accepts no requests."""
        return self._get("/health", results.Health)

    def agents(self) -> results.Cluster:
        """All agents, and the leader. For administrators."""
        return self._get("/v1/admin/agents", results.Cluster)

    def failover(
        self,
        *,
        from_agent: str | None = None,
        to_agent: str | None = None,
        mode: FailoverMode = "graceful",
        reason: str | None = None,
        wait_seconds: float = 20.0,
        idempotency_key: str | None = None,
    ) -> results.Failover:
        """Hand over from `from_agent`, to `to_agent`, or from the one to the other. One of them is required.

        Nothing changes when `from_agent` does not lead or `to_agent` leads already: see
        `Failover.nothing_to_do`. Calls with the same `idempotency_key` (default: a new one) create one
        failover. The result may be unfinished: follow it with `failover_status`.
        """
        named = from_agent if from_agent is not None else to_agent
        if named is None:
            raise ValueError("failover needs from_agent, to_agent or both")
        body: dict[str, Any] = {"mode": mode, "wait_seconds": wait_seconds}
        body["direction"] = "to" if from_agent is None else "from"
        if from_agent is not None and to_agent is not None:
            body["target"] = to_agent
        if reason is not None:
            body["reason"] = reason
        path = f"/v1/admin/agents/{quote(named, safe='')}/failover"
        timeout = wait_seconds + self._transport.timeout
        return self._ask(path, body, idempotency_key, results.Failover, timeout=timeout)

    def failover_status(self, operation_id: str) -> results.Failover:
        """The state of a failover."""
        return self._get(f"/v1/admin/failovers/{quote(operation_id, safe='')}", results.Failover)

    def pause(self, *, reason: str | None = None, until: datetime | None = None) -> results.PauseState:
        """Pause automatic takeovers, until they are resumed or until `until`."""
        body = {"reason": reason, "until": rfc3339(until) if until else None}
        return self._post("/v1/admin/pause", results.PauseState, body)

    def resume(self, *, reason: str | None = None) -> results.PauseState:
        """Resume automatic takeovers."""
        return self._post("/v1/admin/resume", results.PauseState, {"reason": reason})

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _get(self, path: str, kind: type[Result], query: dict[str, Any] | None = None) -> Result:
        return _parsed(kind, self._transport.call("GET", path, query=query, repeatable=True).body)

    def _ask(
        self, path: str, body: object, key: str | None, kind: type[Result], timeout: float | None = None
    ) -> Result:
        if key is not None and not _IDEMPOTENCY_KEY.fullmatch(key):
            # The service's error, for values that HTTP can't send.
            problem = f"{_KEY_HEADER} must be 1 to 255 visible ASCII characters"
            raise Refused(problem, status=400, code="INVALID_REQUEST", field=_KEY_HEADER)
        headers = {_KEY_HEADER: key or secrets.token_urlsafe(24)}
        answer = self._transport.call(
            "POST", path, body=body, headers=headers, repeatable=True, timeout=timeout
        )
        return _parsed(kind, answer.body)

    def _post(self, path: str, kind: type[Result], body: dict[str, Any] | None = None) -> Result:
        given = {name: value for name, value in (body or {}).items() if value is not None}
        answer = self._transport.call("POST", path, body=given, repeatable=False)
        return _parsed(kind, answer.body)


def _path(request_id: str) -> str:
    return f"/v1/{kind_of(request_id)}/{quote(request_id, safe='')}"


def _parsed(kind: type[Result], body: bytes | None) -> Result:
    try:
        return kind.model_validate_json(body or b"")
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = field_path(first["loc"]) or "the body"
        problem = f"the service's response can't be parsed: {where}: {first['msg']}"
        raise ApiError(problem, status=200, code="NOT_UNDERSTOOD") from None
