"""Checks whether Pub/Sub can be reached, without receiving a message."""

from __future__ import annotations

from google.api_core.exceptions import PermissionDenied
from google.cloud.pubsub_v1 import SubscriberClient

from clipping.bus.connection import Connection, subscriber_client


class Reach:
    """Reads a subscription's description. Thread-safe; `close` it."""

    def __init__(self, project: str, subscription: str) -> None:
        self._path = f"projects/{project}/subscriptions/{subscription}"
        self._connection: Connection[SubscriberClient] = Connection(subscriber_client)

    def look(self, timeout: float) -> str:
        """A short confirmation. Raises `BusUnavailable`, also when the subscription does not exist."""
        with self._connection.call(f"reach {self._path}") as client:
            try:
                client.get_subscription(subscription=self._path, retry=None, timeout=timeout)
            except PermissionDenied:
                return "answers"  # a subscriber-only account may not read the description, but got a response
        return "answers"

    def close(self, timeout: float = 5.0) -> None:
        self._connection.close(timeout)
