"""Publishes messages and waits for the broker's confirmation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from google.pubsub_v1.types import PubsubMessage

from clipping.bus.connection import Connection, publisher_client
from clipping.bus.failures import bounded


class Publisher:
    """Publishes, and waits for the confirmation. Safe to share between threads; may be created before a fork.

    Uses the unary RPC and not the library's batching: a batch's future that times out leaves the send running
    for up to ten minutes, and a failed refresh of the credentials never reaches the future. The RPC ends at
    its deadline and raises its error to the caller.
    """

    def __init__(self, project: str, *, timeout_seconds: float) -> None:
        self._project = project
        self._timeout = timeout_seconds
        self._connection = Connection(publisher_client)

    def publish(
        self,
        topic: str,
        data: bytes,
        attributes: Mapping[str, str],
        *,
        timeout_seconds: float | None = None,
    ) -> str:
        """Publish one message and return its id. See `publish_all`."""
        (message_id,) = self.publish_all(topic, [(data, attributes)], timeout_seconds=timeout_seconds)
        return message_id

    def publish_all(
        self,
        topic: str,
        messages: Sequence[tuple[bytes, Mapping[str, str]]],
        *,
        timeout_seconds: float | None = None,
    ) -> Sequence[str]:
        """Publish messages (data and attributes) in one call and return their ids.

        Transient errors are retried until the timeout. Pub/Sub accepts 1,000 messages and 10 MB in a call.
        Raises `BusUnavailable`; the messages may still have been published if only the response was lost.
        """
        timeout = self._timeout if timeout_seconds is None else timeout_seconds
        with self._connection.call(f"publish to {topic}") as client:
            response = client.publish(
                topic=f"projects/{self._project}/topics/{topic}",
                messages=[PubsubMessage(data=data, attributes=dict(named)) for data, named in messages],
                retry=bounded(timeout),
                timeout=timeout,
            )
        return list(response.message_ids)

    def close(self, timeout: float = 5.0) -> None:
        """Refuse new messages, and wait up to `timeout` seconds for those in flight."""
        self._connection.close(timeout)
