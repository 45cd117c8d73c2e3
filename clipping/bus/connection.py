"""Channels to Pub/Sub: Google's, or the broker that `PUBSUB_EMULATOR_HOST` names.

The transports are built here, and not by the client classes, for three options that those do not set: an
emulator can send messages of any size too (the default limit is 4 MiB), a broker is reconnected within
seconds after an outage (gRPC backs off up to two minutes), and calls can be intercepted.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import grpc
from google.auth.credentials import AnonymousCredentials
from google.cloud.pubsub_v1 import SubscriberClient
from google.pubsub_v1 import PublisherClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from clipping.bus.failures import BUS_ERRORS, EMULATOR, unavailable
from clipping.errors import BusUnavailable

_OPTIONS: list[tuple[str, int]] = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_metadata_size", 4 << 20),
    ("grpc.initial_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 5_000),
]
# Detects a connection that a firewall dropped silently. Not for an emulator: a gRPC server with default
# settings treats such pings on an idle stream as abuse and closes the connection.
_KEEPALIVE: list[tuple[str, int]] = [
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 20_000),
]

Client = TypeVar("Client", bound=PublisherClient | SubscriberClient)


def publisher_client() -> PublisherClient:
    """A client for topics. Raises google.auth's errors when there are no credentials."""
    return PublisherClient(transport=_transport(PublisherGrpcTransport, ()))


def subscriber_client(*interceptors: grpc.StreamStreamClientInterceptor) -> SubscriberClient:
    """A client for subscriptions. Raises google.auth's errors when there are no credentials."""
    return SubscriberClient(transport=_transport(SubscriberGrpcTransport, interceptors))


class Connection(Generic[Client]):
    """A client for unary calls that threads share: created by the first call, closed after the last one.

    It is created lazily so that a web server may fork first: gRPC does not survive a fork.
    """

    def __init__(self, create: Callable[[], Client]) -> None:
        self._create = create
        self._changed = threading.Condition()
        self._client: Client | None = None
        self._users = 0
        self._closed = False

    @contextmanager
    def call(self, action: str) -> Iterator[Client]:
        """The client, for one call. Raises `BusUnavailable` for every failure inside the block.

        `action` completes "Could not …".
        """
        with self._changed:
            if self._closed:
                raise BusUnavailable(f"Could not {action}: the connection to Pub/Sub is closed.")
            self._users += 1
        try:
            yield self._connected()
        except BUS_ERRORS as error:
            raise unavailable(action, error) from error
        finally:
            with self._changed:
                self._users -= 1
                self._changed.notify_all()
                self._close_if_unused()

    def close(self, timeout: float) -> None:
        """Refuse new calls, and wait up to `timeout` seconds for those in flight."""
        with self._changed:
            self._closed = True
            self._changed.wait_for(lambda: self._users == 0, timeout)
            self._close_if_unused()

    def _connected(self) -> Client:
        with self._changed:
            if self._client is None:
                self._client = self._create()
            return self._client

    def _close_if_unused(self) -> None:
        if self._closed and self._users == 0 and self._client is not None:
            self._client.transport.close()
            self._client = None


def _transport(kind: Any, interceptors: Sequence[grpc.StreamStreamClientInterceptor]) -> Any:
    emulator = os.environ.get(EMULATOR)
    if emulator:
        channel = grpc.intercept_channel(grpc.insecure_channel(emulator, options=_OPTIONS), *interceptors)
        return kind(channel=channel, credentials=AnonymousCredentials())

    def create(host: str, **arguments: Any) -> grpc.Channel:
        arguments["options"] = [*_OPTIONS, *_KEEPALIVE]
        return grpc.intercept_channel(kind.create_channel(host, **arguments), *interceptors)

    return kind(channel=create)
