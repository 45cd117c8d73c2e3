"""Publish one message and know that it is there."""

from __future__ import annotations

from collections.abc import Mapping

from google.pubsub_v1.types import PubsubMessage

from clipping.bus.connection import Connection, publisher_client
from clipping.bus.failures import bounded


class Publisher:
    """Publishes, one call for each message. Safe to share between threads; may be created before a fork.

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
        """Send, wait for the confirmation, return the message's id. Retries what may pass until the timeout.

        Raises `BusUnavailable`; the message may still have been taken when it was the answer that got lost.
        """
        timeout = self._timeout if timeout_seconds is None else timeout_seconds
        with self._connection.call(f"publish to {topic}") as client:
            response = client.publish(
                topic=f"projects/{self._project}/topics/{topic}",
                messages=[PubsubMessage(data=data, attributes=dict(attributes))],
                retry=bounded(timeout),
                timeout=timeout,
            )
        return str(response.message_ids[0])

    def close(self, timeout: float = 5.0) -> None:
        """Refuse new messages, and wait up to `timeout` seconds for those on their way."""
        self._connection.close(timeout)
