"""Pulls a subscription in groups: for many short messages, which cost more to transfer than to handle.

A streaming pull costs three calls for each message: its delivery, the library's confirmation that it arrived,
and the acknowledgement. Here a call fetches everything that waits, and a second one acknowledges it. Calls
are made on the channel directly, as the library's can't be cancelled.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.api_core import exceptions
from google.api_core.gapic_v1.routing_header import to_grpc_metadata
from google.pubsub_v1.types import PullRequest, PullResponse

from clipping.bus.backoff import reconnection_waits
from clipping.bus.connection import Connection, subscriber_client
from clipping.bus.failures import bounded
from clipping.bus.subscriber import StreamState
from clipping.clock import Clock, SystemClock
from clipping.errors import BusUnavailable
from clipping.log import get_logger

_PULL_SECONDS = 300.0
"""Time limit of one pull. The service answers earlier, with no message if there is none."""
_PROBE_SECONDS = 15.0
"""Time limit of the first pull of a connection, which does not wait for messages."""
_ACKNOWLEDGE_SECONDS = 10.0
_RELEASE_SECONDS = 5.0
"""Time limit for releasing messages. If the release fails, their leases expire."""
_CLOSE_SECONDS = 5.0
_LATE_SECONDS = 1.0
"""Messages older than this show a backlog, although the service does not always return all that waits."""

log = get_logger(__name__)


@dataclass(frozen=True)
class Received:
    """One message of a group."""

    message_id: str
    data: bytes
    attributes: Mapping[str, str]
    published_at: float
    """Unix time, by the service's clock."""
    ack_id: str = field(repr=False)


class GroupSubscription:
    """Calls `handler` with what waits in the subscription, one group at a time, in a thread of its own.

    `handler` returns the messages to acknowledge. The others are released, and so are all if it raises: they
    are delivered again after the subscription's backoff. A group must be handled within the subscription's
    acknowledgement deadline.
    """

    def __init__(
        self,
        project: str,
        name: str,
        *,
        most: int,
        handler: Callable[[Sequence[Received]], Collection[Received]],
        thread_name: str,
        gather_seconds: float = 0.0,
        clock: Clock | None = None,
    ) -> None:
        """`most` is the size of a group. `gather_seconds`: how long to let messages gather between two pulls,
        unless there is a backlog."""
        self._path = f"projects/{project}/subscriptions/{name}"
        self._name = name
        self._most = most
        self._handler = handler
        self._gather_seconds = gather_seconds
        self._clock = clock or SystemClock()
        self._connection = Connection(subscriber_client)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._call: Any = None
        self._state = StreamState(False, "not started", self._clock.monotonic())
        self._thread = threading.Thread(target=self._run, name=thread_name, daemon=True)

    @property
    def state(self) -> StreamState:
        """Whether messages can arrive."""
        return self._state

    def start(self) -> None:
        """Start to pull. Does not wait for the connection."""
        self._thread.start()

    def stop_pulling(self) -> None:
        """Pull no further group. The one in flight is finished."""
        self._stop.set()
        with self._lock:
            if self._call is not None:
                self._call.cancel()

    def close(self, timeout: float) -> None:
        """Stop, wait up to `timeout` seconds for the group in flight, and close the connection."""
        self.stop_pulling()
        if self._thread.ident is not None:
            self._thread.join(timeout)
        self._connection.close(_CLOSE_SECONDS)

    def _run(self) -> None:
        waits = reconnection_waits()
        while not self._stop.is_set():
            try:
                group = self._pull()
            except BusUnavailable as error:
                self._set_state(False, error.message)
                self._stop.wait(next(waits))
                continue
            waits = reconnection_waits()
            if group:
                self._settle(group)
                if self._gather_seconds and not self._behind(group):
                    self._stop.wait(self._gather_seconds)

    def _pull(self) -> Sequence[Received]:
        """The messages that wait, or that arrive while it waits. Empty when it was stopped."""
        # Only the answer to a pull that does not wait shows that later ones may be waiting for messages.
        probing = not self._state.ok
        with self._connection.call(f"pull {self._name}") as client:
            channel = client.transport.grpc_channel
            with self._lock:
                if self._stop.is_set():
                    return ()
                self._call = call = _call(channel, self._path, self._most, waiting=not probing)
            try:
                response = call.result()
            except grpc.FutureCancelledError:
                return ()
            except grpc.RpcError as error:
                if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED and not probing:
                    return ()
                raise exceptions.from_grpc_error(error) from error
        self._set_state(True, f"pulling {self._name}")
        return [_received(each) for each in response.received_messages]

    def _settle(self, group: Sequence[Received]) -> None:
        done: Collection[Received] = ()
        try:
            done = self._handler(group)
        except Exception:  # top of the thread: one bad group must not stop the others
            log.exception("bus.group_failed", subscription=self._name, messages=len(group))
        settled = {message.ack_id for message in done}
        self._acknowledge([message.ack_id for message in group if message.ack_id in settled])
        self._release([message.ack_id for message in group if message.ack_id not in settled])

    def _acknowledge(self, ack_ids: list[str]) -> None:
        if not ack_ids:
            return
        try:
            with self._connection.call("acknowledge messages") as client:
                client.acknowledge(
                    subscription=self._path,
                    ack_ids=ack_ids,
                    retry=bounded(_ACKNOWLEDGE_SECONDS),
                    timeout=_ACKNOWLEDGE_SECONDS,
                )
        except BusUnavailable as error:  # they are delivered again
            log.warning(
                "bus.acknowledge_failed",
                subscription=self._name,
                messages=len(ack_ids),
                error=error.message,
            )

    def _release(self, ack_ids: list[str]) -> None:
        if not ack_ids:
            return
        try:
            with self._connection.call("release messages") as client:
                client.modify_ack_deadline(
                    subscription=self._path,
                    ack_ids=ack_ids,
                    ack_deadline_seconds=0,
                    retry=bounded(_RELEASE_SECONDS),
                    timeout=_RELEASE_SECONDS,
                )
        except BusUnavailable as error:
            log.warning("bus.release_failed", subscription=self._path, error=error.message)

    def _behind(self, group: Sequence[Received]) -> bool:
        oldest = min(message.published_at for message in group)
        return len(group) >= self._most or self._clock.now().timestamp() - oldest > _LATE_SECONDS

    def _set_state(self, ok: bool, detail: str) -> None:
        old = self._state
        if (old.ok, old.detail) == (ok, detail) or self._stop.is_set():
            return
        self._state = StreamState(ok, detail, old.since if old.ok == ok else self._clock.monotonic())
        if old.ok != ok:
            write = log.info if ok else log.warning
            write("bus.stream", subscription=self._name, ok=ok, detail=detail)


def _call(channel: grpc.Channel, path: str, most: int, *, waiting: bool) -> Any:
    pull = channel.unary_unary(
        "/google.pubsub.v1.Subscriber/Pull",
        request_serializer=PullRequest.pb().SerializeToString,
        response_deserializer=PullResponse.pb().FromString,  # without the library's wrapper, for speed
    )
    request = PullRequest.pb()(subscription=path, max_messages=most, return_immediately=not waiting)
    seconds = _PULL_SECONDS if waiting else _PROBE_SECONDS
    return pull.future(request, timeout=seconds, metadata=[to_grpc_metadata({"subscription": path})])


def _received(raw: Any) -> Received:
    message = raw.message
    return Received(
        message_id=message.message_id,
        data=message.data,
        attributes=dict(message.attributes),
        published_at=message.publish_time.ToNanoseconds() / 1e9,
        ack_id=raw.ack_id,
    )
