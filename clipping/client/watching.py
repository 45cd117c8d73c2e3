"""An event stream that resumes after interruptions."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

import requests

from clipping.client.events import Message, Reader, StreamBroken
from clipping.client.failures import NoAnswer, Unavailable, WaitedTooLong
from clipping.client.transport import Retries, Transport
from clipping.contract.messages import TERMINAL
from clipping.contract.results import Result

SILENCE_SECONDS = 45.0
"""The read timeout: the service writes at least a comment every 15 s."""
_RECONNECTING = Retries(tries=20, within_seconds=600.0, first_wait_seconds=0.5)
"""The maximum duration of reconnects without an event or a lasting stream in between."""
LASTED_SECONDS = 60.0
"""A stream that still sends something after so long is a good one, even if nothing happens to the request:
the service ends every stream after a while, and a request may wait for hours."""
_REFUSALS = 3
"""After this many consecutive failures the caller should poll the status."""


class Event(Result):
    """An event of a request."""

    event_id: str | None
    """The id to resume after this event."""
    kind: str
    """`status`, `progress`, `checkpoint`, `resumed`, `retrying`, `completed`, `failed` or `cancelled`; of all
    requests also `reset`."""
    data: dict[str, Any]
    """The ClipStatus, as JSON."""

    @property
    def final(self) -> bool:
        """Whether it is the last one."""
        return self.kind in TERMINAL


def watch(
    transport: Transport,
    path: str,
    last_event_id: str | None,
    timeout: float | None,
    on_failure: Callable[[NoAnswer | Unavailable], None] | None = None,
    *,
    ends: bool = True,
) -> Iterator[Event]:
    """The events at `path` until a final one, if one of them `ends` the stream.

    `on_failure` is called with each error before the next attempt. Raises `ApiError`, `NoAnswer` when the
    service is unreachable for long, `Unavailable` when it opens no stream, or `WaitedTooLong`.
    """
    give_up = None if timeout is None else time.monotonic() + timeout
    reader, patience = Reader(last_event_id), _Patience()
    while True:
        try:
            for event in _one_stream(transport, path, reader, patience, give_up):
                patience.renew()
                yield event
                if ends and event.final:
                    return
            broke_off: NoAnswer | Unavailable = NoAnswer("the event streams end too early")
        except _SeenToTheEnd:
            return
        except (NoAnswer, Unavailable) as error:
            broke_off = error
            if on_failure is not None:
                on_failure(error)
        wait = max(reader.retry_seconds or 0.0, patience.wait_after(broke_off))
        if give_up is not None and time.monotonic() + wait > give_up:
            raise WaitedTooLong(f"timed out after {timeout:g} s")
        time.sleep(wait)


class _Patience:
    """Counts failed streams since the last event or lasting stream."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """An event was received."""
        self._misses = self._refusals = 0
        self._since = time.monotonic()

    def received(self, open_since: float) -> None:
        """Data was received, possibly a comment."""
        if time.monotonic() - open_since >= LASTED_SECONDS:
            self.renew()

    def wait_after(self, failure: NoAnswer | Unavailable) -> float:
        """Seconds before the next attempt. Raises `failure` when the limit is reached."""
        asked = None
        self._misses += 1
        if isinstance(failure, Unavailable):
            self._refusals += 1
            asked = failure.retry_after
        wait = _RECONNECTING.wait_before(self._misses, asked=asked)
        waited = time.monotonic() + wait - self._since
        enough = self._misses >= _RECONNECTING.tries or self._refusals >= _REFUSALS
        if enough or waited > _RECONNECTING.within_seconds:
            raise failure
        return wait


class _SeenToTheEnd(Exception):
    """The service has no events after the last one."""


def _one_stream(
    transport: Transport, path: str, reader: Reader, patience: _Patience, give_up: float | None
) -> Iterator[Event]:
    headers = {"Accept": "text/event-stream"}
    if reader.last_id is not None:
        headers["Last-Event-ID"] = reader.last_id
    silence = (
        SILENCE_SECONDS if give_up is None else min(SILENCE_SECONDS, max(0.1, give_up - time.monotonic()))
    )
    with transport.send("GET", path, headers=headers, timeout=silence, stream=True) as answer:
        if answer.status_code == HTTPStatus.NO_CONTENT:
            raise _SeenToTheEnd
        if answer.headers.get("Content-Type", "").partition(";")[0] != "text/event-stream":
            raise NoAnswer("the service does not answer with an event stream")
        try:
            for message in reader.read(_pieces(answer, patience, give_up)):
                yield _event(message)
        except (requests.RequestException, StreamBroken) as error:
            raise NoAnswer(f"the event stream broke off: {error}") from None


def _pieces(answer: requests.Response, patience: _Patience, give_up: float | None) -> Iterator[bytes]:
    """The data as it arrives, including comments."""
    piece: bytes
    began = time.monotonic()
    for piece in answer.iter_content(chunk_size=None):
        patience.received(began)
        yield piece
        if give_up is not None and time.monotonic() > give_up:
            raise WaitedTooLong("timed out before the request ended")


def _event(message: Message) -> Event:
    try:
        data = json.loads(message.data)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise StreamBroken(f"the data of the event {message.kind!r} is not a JSON object")
    return Event(event_id=message.event_id, kind=message.kind, data=data)
