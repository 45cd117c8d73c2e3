"""One streaming pull, from its opening to its end, and whether it is connected.

The library reopens a stream that breaks with a passing error, silently and for ever. To say in `/health` that
Pub/Sub is away, the stream's calls are watched by an interceptor: they are open, or broke with some error.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from google.cloud.pubsub_v1.subscriber.futures import StreamingPullFuture
from google.cloud.pubsub_v1.subscriber.message import Message
from google.cloud.pubsub_v1.subscriber.scheduler import ThreadScheduler
from google.cloud.pubsub_v1.types import FlowControl

from clipping.bus.connection import subscriber_client
from clipping.bus.failures import BUS_ERRORS, explain, unavailable, where
from clipping.clock import Clock

_SETTLED_SECONDS = 0.5
"""A call that has stood for so long on a connected channel was not refused."""


class Stream:
    """A pull of one subscription. It is opened once and not used again after its end."""

    def __init__(
        self,
        subscription: str,
        *,
        slots: int,
        lease_seconds: int,
        max_wait_seconds: float,
        on_message: Callable[[Stream, Message], None],
        thread_name: str,
        clock: Clock,
    ) -> None:
        self._subscription = subscription
        self._slots = slots
        self._lease_seconds = lease_seconds
        self._max_wait_seconds = max_wait_seconds
        self._on_message = on_message
        self._thread_name = thread_name
        self._watch = _Watch(clock)
        self._future: StreamingPullFuture | None = None
        self._cancelled = threading.Event()

    def open(self) -> None:
        """Connect in the background. Raises `BusUnavailable` when there are no credentials."""
        try:
            client = subscriber_client(self._watch)
        except BUS_ERRORS as error:
            raise unavailable(f"open {self._subscription}", error) from error
        self._watch.channel = client.transport.grpc_channel
        executor = ThreadPoolExecutor(self._slots, thread_name_prefix=self._thread_name)
        self._future = client.subscribe(
            self._subscription,
            callback=lambda message: self._on_message(self, message),
            flow_control=FlowControl(
                max_messages=self._slots,
                max_lease_duration=self._max_wait_seconds,
                min_duration_per_lease_extension=self._lease_seconds,
                max_duration_per_lease_extension=self._lease_seconds,
            ),
            scheduler=ThreadScheduler(executor),
        )
        # Only then have the library's threads ended: on a closed channel they would die with a traceback.
        self._future.add_done_callback(lambda _: client.close())

    def cancel(self) -> None:
        """End the stream; messages that no handler has begun go back at once. Does not block.

        The library is not told to wait for the callbacks: it would give the waiting messages back only after
        the last of them. Handlers that run keep their message by `Leases`.
        """
        self._cancelled.set()
        self._watch.close()
        if self._future is not None:
            self._future.cancel()

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._cancelled.is_set()

    def ended(self, timeout: float) -> bool:
        """Whether the stream has ended, after waiting for it at most so many seconds."""
        if self._future is None:
            return True
        try:
            self._future.exception(timeout)
        except TimeoutError:
            return False
        return True

    def failure(self) -> str | None:
        """Why the stream ended by itself; call when it has ended."""
        assert self._future is not None
        error = self._future.exception(0)
        return None if error is None else explain(error)

    def connected(self) -> bool:
        """Whether the broker is there and has not refused the stream."""
        return self._watch.connected()

    def stuck(self) -> bool:
        """Whether the broker is back while the library, which reopens five times in ten seconds, waits."""
        return self._watch.stuck()

    def trouble(self) -> str:
        """What is in the way while it is not connected."""
        return self._watch.trouble


class _Watch(grpc.StreamStreamClientInterceptor):  # type: ignore[misc]
    """Sees every call of the stream begin and break."""

    def __init__(self, clock: Clock) -> None:
        self.channel: grpc.Channel | None = None
        self.trouble = f"connecting to {where()}"
        self._clock = clock
        self._lock = threading.Lock()
        self._call: Any = None
        self._opened_at = 0.0
        self._ready: grpc.Future | None = None
        self._closed = False

    def intercept_stream_stream(
        self, continuation: Callable[..., Any], details: Any, requests: Iterator[Any]
    ) -> Any:
        """What gRPC calls for each call of the stream."""
        call = continuation(details, requests)
        with self._lock:
            self._call, self._opened_at = call, self._clock.monotonic()
            closed = self._closed
        if closed:
            # A stream that was cancelled during an outage is reopened by the library for ever, and swallows
            # messages once the broker is back. A cancelled call is what ends that.
            call.cancel()
        call.add_done_callback(self._broken)
        return call

    def connected(self) -> bool:
        with self._lock:
            stands = self._clock.monotonic() - self._opened_at >= _SETTLED_SECONDS
            return self._channel_is_ready() and stands and self._is_open()

    def stuck(self) -> bool:
        with self._lock:
            return self._channel_is_ready() and not self._is_open()

    def _is_open(self) -> bool:
        return self._call is not None and bool(self._call.is_active())

    def _channel_is_ready(self) -> bool:
        if self._closed or self._call is None or self.channel is None:
            return False
        if self._ready is None:
            # Watches the channel's state with a thread of its own, until it is ready and no longer.
            self._ready = grpc.channel_ready_future(self.channel)
        return bool(self._ready.done())

    def close(self) -> None:
        with self._lock:
            self._closed = True
            if self._ready is not None:
                self._ready.cancel()

    def _broken(self, call: Any) -> None:
        with self._lock:
            if self._closed:
                return
            self.trouble = f"the stream from {where()} broke: {call.code().name}: {call.details()}"
            if self._ready is not None:
                self._ready.cancel()
                self._ready = None
