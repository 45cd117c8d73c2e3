"""Publish messages and know that they are there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from google.pubsub_v1.types import PubsubMessage

from clipping.bus.connection import Connection, publisher_client
from clipping.bus.failures import bounded


class Publisher:
    """Publishes, and waits for the confirmation. Safe to share between threads; may be created before a fork.

    The call is the plain unary RPC and not the library's batching: a batch's future that times out leaves the
    send running for up to ten minutes, and a failed refresh of the credentials never reaches the future at
    all. The RPC ends at its deadline, and its error is the caller's.
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
        """Send one message; its id. As `publish_all`."""
        (message_id,) = self.publish_all(topic, [(data, attributes)], timeout_seconds=timeout_seconds)
        return message_id

    def publish_all(
        self,
        topic: str,
        messages: Sequence[tuple[bytes, Mapping[str, str]]],
        *,
        timeout_seconds: float | None = None,
    ) -> Sequence[str]:
        """Send data and attributes of each in one call; their ids. Retries what may pass until the timeout.

        Pub/Sub takes 1,000 messages and 10 MB in a call. Raises `BusUnavailable`; the messages may still have
        been taken when it was the answer that got lost.
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
        """Refuse new messages, and wait up to `timeout` seconds for those on their way."""
        self._connection.close(timeout)
