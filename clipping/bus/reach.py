"""Whether Pub/Sub can be reached, asked without taking a message from anybody."""

from __future__ import annotations

from google.api_core.exceptions import PermissionDenied
from google.cloud.pubsub_v1 import SubscriberClient

from clipping.bus.connection import Connection, subscriber_client


class Reach:
    """Asks for a subscription's description. Thread-safe; `close` it."""

    def __init__(self, project: str, subscription: str) -> None:
        self._path = f"projects/{project}/subscriptions/{subscription}"
        self._connection: Connection[SubscriberClient] = Connection(subscriber_client)

    def look(self, timeout: float) -> str:
        """In a few words, that it is there. Raises `BusUnavailable`, also when there is no subscription."""
        with self._connection.call(f"reach {self._path}") as client:
            try:
                client.get_subscription(subscription=self._path, retry=None, timeout=timeout)
            except PermissionDenied:
                return "answers"  # an account that may only consume may not look, but has been answered
        return "answers"

    def close(self, timeout: float = 5.0) -> None:
        self._connection.close(timeout)
