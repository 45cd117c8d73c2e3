"""Pulls a subscription with a bounded number of handlers; stops and drains without losing messages."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass

from google.cloud.pubsub_v1.subscriber.message import Message

from clipping.bus.backoff import reconnection_waits
from clipping.bus.delivery import Delivery
from clipping.bus.leases import Leases
from clipping.bus.slots import Slots
from clipping.bus.stream import Stream
from clipping.clock import Clock, SystemClock
from clipping.errors import BusUnavailable, ClippingError
from clipping.log import get_logger

__all__ = ["Delivery", "StreamState", "Subscription"]

log = get_logger(__name__)

_LEASE_SECONDS = 60
"""The maximum time until a message of a dead process is delivered to another one."""
_IDLE_SECONDS = (600.0, 900.0)
"""An idle stream is reopened after a random time in this range: some firewalls drop idle connections."""
_CLOSE_SECONDS = 5.0
_LOOK_SECONDS = 0.25
"""How often the state is polled."""


@dataclass(frozen=True)
class StreamState:
    """Whether messages can arrive, since when (monotonic seconds of the clock given), and why not."""

    ok: bool
    detail: str
    since: float


class Subscription:
    """Runs `handler` for every message, in `slots` threads.

    If a handler raises, or returns without settling or keeping its delivery, the message is released. `start`
    may be called again after `stop_pulling` and `drain`, but not after `close`. A message stays leased for at
    most `max_lease_seconds`, also when its stream ends.
    """

    def __init__(
        self,
        project: str,
        name: str,
        *,
        slots: int,
        handler: Callable[[Delivery], None],
        max_lease_seconds: float,
        thread_name: str,
        lease_seconds: int = _LEASE_SECONDS,
        idle_seconds: tuple[float, float] = _IDLE_SECONDS,
        clock: Clock | None = None,
    ) -> None:
        self._path = f"projects/{project}/subscriptions/{name}"
        self._name = name
        self._handler = handler
        self._max_lease_seconds = max_lease_seconds
        self._thread_name = thread_name
        self._lease_seconds = lease_seconds
        self._idle_seconds = idle_seconds
        self._clock = clock or SystemClock()
        self._slots = Slots(slots, self._clock)
        self._leases = Leases(
            self._path,
            lease_seconds=lease_seconds,
            max_seconds=max_lease_seconds,
            thread_name=f"{thread_name}-leases",
            clock=self._clock,
        )
        self._lock = threading.Lock()
        self._stop: threading.Event | None = None
        self._stream: Stream | None = None
        self._thread: threading.Thread | None = None
        self._closed = False
        self._state_lock = threading.Lock()
        self._state = StreamState(False, "not started", self._clock.monotonic())
        self._beat: float | None = None
        self._kept = threading.Event()
        """A message was kept, which the open stream still counts against its limit: a new stream does not."""

    @property
    def state(self) -> StreamState:
        """Whether messages can arrive."""
        return self._state

    @property
    def running(self) -> int:
        """The number of running handlers."""
        return self._slots.taken

    def heartbeat_age(self) -> float:
        """Seconds since the last iteration of the thread that keeps the stream open; 0 when not pulling.

        During an outage it waits up to 36 s between attempts.
        """
        beat = self._beat
        return 0.0 if self._stop is None or beat is None else self._clock.monotonic() - beat

    def start(self) -> None:
        """Start pulling, for the first time or again. Does not wait for the connection."""
        with self._lock:
            if self._closed:
                raise RuntimeError("the subscription is closed")
            if self._stop is not None:
                return
            if self._thread is None:
                self._leases.start()
            self._beat = self._clock.monotonic()
            self._stop = threading.Event()
            self._thread = threading.Thread(
                target=self._pull, args=(self._stop,), name=self._thread_name, daemon=True
            )
            self._thread.start()

    def stop_pulling(self) -> None:
        """Receive no further messages, and release those that no handler has started. Handlers continue."""
        with self._lock:
            if self._stop is None:
                return
            self._stop.set()
            self._stop = None
            if self._stream is not None:
                self._stream.cancel()
        self._slots.wake()
        self._set_state(False, "not pulling")

    def drain(self, timeout: float) -> bool:
        """Stop pulling, and wait up to `timeout` seconds for every handler to return.

        True when they have. Their acknowledgements are then confirmed, as `Delivery.acknowledge` waits for
        it.
        """
        self.stop_pulling()
        give_up = self._clock.monotonic() + timeout
        idle = self._slots.wait_idle(timeout)
        thread = self._thread
        if idle and thread is not None:
            thread.join(max(0.0, min(give_up - self._clock.monotonic(), _CLOSE_SECONDS)))
        return idle

    def close(self) -> None:
        """Close for good. The messages of handlers that still run are redelivered when the leases expire."""
        self.stop_pulling()
        with self._lock:
            self._closed = True
            thread = self._thread
        if thread is not None:
            thread.join(_CLOSE_SECONDS)
        self._leases.close(_CLOSE_SECONDS)

    def _pull(self, stop: threading.Event) -> None:
        waits = reconnection_waits()
        while not stop.is_set():
            self._beat = self._clock.monotonic()
            self._set_state(False, f"connecting to {self._name}", stop)
            worked, failure = self._one_stream(stop)
            if worked:
                waits = reconnection_waits()
            if failure is not None and not stop.is_set():
                self._set_state(False, failure, stop)
                stop.wait(next(waits))

    def _one_stream(self, stop: threading.Event) -> tuple[bool, str | None]:
        """Pull until a stop or the end of the stream. Whether it ever connected, and why it failed."""
        stream = Stream(
            self._path,
            slots=self._slots.size,
            lease_seconds=self._lease_seconds,
            max_wait_seconds=self._max_lease_seconds,
            on_message=self._on_message,
            thread_name=self._thread_name,
            clock=self._clock,
        )
        with self._lock:
            if stop.is_set():
                return False, None
            try:
                stream.open()
            except BusUnavailable as error:
                return False, error.message
            self._stream = stream
        worked = self._watch(stream, stop)
        if stream.ended(0) and not stream.cancelled:
            return worked, stream.failure() or "the stream ended"
        if not stream.cancelled:
            stream.cancel()
            return worked, stream.trouble()
        if not stream.ended(_CLOSE_SECONDS):
            log.warning("bus.stream_close_hangs", subscription=self._name)
        return worked, None

    def _watch(self, stream: Stream, stop: threading.Event) -> bool:
        """Update the state until the stream ends, is stuck, or is cancelled by a stop or as idle."""
        worked = False
        self._kept.clear()
        idle_limit = random.uniform(*self._idle_seconds)
        while not stream.ended(_LOOK_SECONDS) and not stream.cancelled:
            self._beat = self._clock.monotonic()
            if stream.stuck():
                self._set_state(False, stream.trouble(), stop)
                break
            if not stream.connected():
                self._set_state(False, stream.trouble(), stop)
            elif self._leases.failure:
                self._set_state(False, self._leases.failure, stop)
            else:
                worked = True
                self._set_state(True, f"pulling {self._name}", stop)
            if self._slots.idle_seconds() > idle_limit:
                log.debug("bus.stream_recycled", subscription=self._name)
                self._slots.touch()
                stream.cancel()
            elif self._kept.is_set() and not self._slots.waiting:  # waiting messages would count as failed
                stream.cancel()
        return worked

    def _on_message(self, stream: Stream, message: Message) -> None:
        if not self._slots.enter(lambda: stream.over):
            self._leases.release(message.ack_id)
            return
        try:
            self._leases.take(message.ack_id)
            message.drop()
            self._handle(
                Delivery(
                    message_id=message.message_id,
                    data=message.data,
                    attributes=dict(message.attributes),
                    attempt=message.delivery_attempt or 1,
                    published_at=message.publish_time,
                    _ack_id=message.ack_id,
                    _leases=self._leases,
                )
            )
        finally:
            self._slots.leave()

    def _handle(self, delivery: Delivery) -> None:
        try:
            self._handler(delivery)
        except ClippingError as error:
            log.warning(
                "bus.handler_failed",
                subscription=self._name,
                message_id=delivery.message_id,
                code=error.code,
                error=error.message,
            )
        except Exception:  # top of the thread: one bad message must not stop the others
            log.exception("bus.handler_failed", subscription=self._name, message_id=delivery.message_id)
        else:
            if delivery.kept:
                self._kept.set()
                return
            if not delivery.settled:
                log.error("bus.not_settled", subscription=self._name, message_id=delivery.message_id)
        delivery.release()

    def _set_state(self, ok: bool, detail: str, stop: threading.Event | None = None) -> None:
        with self._state_lock:
            old = self._state
            if (old.ok, old.detail) == (ok, detail) or (stop is not None and stop.is_set()):
                return
            since = old.since if old.ok == ok else self._clock.monotonic()
            self._state = StreamState(ok, detail, since)
        if old.ok != ok:
            # Without `stop` the change was requested: no warning.
            write = log.info if ok or stop is None else log.warning
            write("bus.stream", subscription=self._name, ok=ok, detail=detail)
