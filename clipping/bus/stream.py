"""One streaming pull, from its opening to its end, and whether it is connected.

The library silently reopens a stream that breaks with a transient error, without a limit. For `/health` to
report that Pub/Sub is unreachable, an interceptor watches the stream's calls and their errors.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from google.cloud.pubsub_v1.subscriber.futures import StreamingPullFuture
from google.cloud.pubsub_v1.subscriber.message import Message
from google.cloud.pubsub_v1.subscriber.scheduler import ThreadScheduler
from google.cloud.pubsub_v1.types import FlowControl

from clipping.bus.connection import subscriber_client
from clipping.bus.failures import BUS_ERRORS, explain, unavailable
from clipping.bus.watch import StreamWatch
from clipping.clock import Clock


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
        self._watch = StreamWatch(clock)
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
        # Close only now that the library's threads have ended: on a closed channel they log a traceback.
        self._future.add_done_callback(lambda _: client.close())

    def cancel(self) -> None:
        """End the stream and release the messages that no handler has started. Does not block.

        The library does not wait for the callbacks here: it would release the waiting messages only after the
        last callback. `Leases` keeps the messages of running handlers.
        """
        self._cancelled.set()
        self._watch.close()
        if self._future is not None:
            self._future.cancel()

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._cancelled.is_set()

    @property
    def over(self) -> bool:
        """Whether it was cancelled or has ended: messages that wait for a slot are no longer leased."""
        return self.cancelled or (self._future is not None and bool(self._future.done()))

    def ended(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds for the stream to end. Whether it has ended."""
        if self._future is None:
            return True
        try:
            self._future.exception(timeout)
        except TimeoutError:
            return False
        return True

    def failure(self) -> str | None:
        """The error that ended the stream, if any. Call it after the stream has ended."""
        assert self._future is not None
        error = self._future.exception(0)
        return None if error is None else explain(error)

    def connected(self) -> bool:
        """Whether the broker is connected and has accepted the stream."""
        return self._watch.connected()

    def stuck(self) -> bool:
        """Whether the broker is reachable again but the library has not reopened the stream."""
        return self._watch.stuck()

    def trouble(self) -> str:
        """Why the stream is not connected."""
        return self._watch.trouble
