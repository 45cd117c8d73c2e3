"""Observes the calls of a stream, and ends calls that are made after its cancellation."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import grpc

from clipping.bus.failures import where
from clipping.clock import Clock

_SETTLED_SECONDS = 0.5
"""A call that has been open for this long on a connected channel was accepted."""


class StreamWatch(grpc.StreamStreamClientInterceptor):  # type: ignore[misc]
    """An interceptor for the channel of one stream; set `channel` after creating it."""

    def __init__(self, clock: Clock) -> None:
        self.channel: grpc.Channel | None = None
        self.trouble = f"connecting to {where()}"
        """Why the stream is not connected."""
        self._clock = clock
        self._lock = threading.Lock()
        self._call: Any = None
        self._opened_at = 0.0
        self._ready: grpc.Future | None = None
        self._closed = False

    def intercept_stream_stream(
        self, continuation: Callable[..., Any], details: Any, requests: Iterator[Any]
    ) -> Any:
        """Called by gRPC for each call of the stream."""
        with self._lock:
            if self._closed:
                # The library keeps reopening a stream that was cancelled during an outage, in threads that
                # are never joined, until the outage ends. A cancelled call makes it stop.
                return _CancelledCall()
        call = continuation(details, requests)
        with self._lock:
            self._call, self._opened_at = call, self._clock.monotonic()
        call.add_done_callback(self._broken)
        return call

    def connected(self) -> bool:
        """Whether the broker is connected and has accepted the stream."""
        with self._lock:
            stands = self._clock.monotonic() - self._opened_at >= _SETTLED_SECONDS
            return self._channel_is_ready() and stands and self._is_open()

    def stuck(self) -> bool:
        """Whether the broker is reachable while the library, limited to five reopens in 10 s, waits."""
        with self._lock:
            return self._channel_is_ready() and not self._is_open()

    def close(self) -> None:
        """End all further calls at once: the stream is cancelled."""
        with self._lock:
            self._closed = True
            if self._ready is not None:
                self._ready.cancel()

    def _is_open(self) -> bool:
        return self._call is not None and bool(self._call.is_active())

    def _channel_is_ready(self) -> bool:
        if self._closed or self._call is None or self.channel is None:
            return False
        if self._ready is None:
            # Watches the channel's state in a separate thread until it is ready.
            self._ready = grpc.channel_ready_future(self.channel)
        return bool(self._ready.done())

    def _broken(self, call: Any) -> None:
        with self._lock:
            if self._closed:
                return
            self.trouble = f"the stream from {where()} broke: {call.code().name}: {call.details()}"
            if self._ready is not None:
                self._ready.cancel()
                self._ready = None


class _CancelledCall(grpc.RpcError):  # type: ignore[misc]
    """A call that was cancelled before it started, with the methods that the library uses."""

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.CANCELLED

    def details(self) -> str:
        return "the stream is closed"

    def initial_metadata(self) -> tuple[()]:
        return ()

    def trailing_metadata(self) -> tuple[()]:
        return ()

    def is_active(self) -> bool:
        return False

    def cancel(self) -> bool:
        return True

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        callback(self)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> NoReturn:
        raise self
