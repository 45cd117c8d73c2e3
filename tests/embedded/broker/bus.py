"""The tests' operations on a broker, through the official client."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from google.cloud import pubsub_v1
from google.pubsub_v1 import PublisherClient, types

PROJECT = "conformance-project"
RPC_SECONDS = 30.0
PATIENCE_SECONDS = 45.0
"""Timeout for expected events on a busy machine."""
QUIET_SECONDS = 1.0
"""How long tests watch for unexpected messages."""


class Bus:
    """Clients of one broker, with short methods for tests."""

    def __init__(self, host_port: str) -> None:
        # The clients read the variable only when they are created.
        before = os.environ.get("PUBSUB_EMULATOR_HOST")
        os.environ["PUBSUB_EMULATOR_HOST"] = host_port
        try:
            self.publisher = pubsub_v1.PublisherClient(pubsub_v1.types.BatchSettings(max_messages=1))
            self.subscriber = pubsub_v1.SubscriberClient()
        finally:
            if before is None:
                del os.environ["PUBSUB_EMULATOR_HOST"]
            else:
                os.environ["PUBSUB_EMULATOR_HOST"] = before
        self.project = f"projects/{PROJECT}"

    def close(self) -> None:
        """Close the clients' threads and connections."""
        self.publisher.stop()
        self.publisher.transport.close()
        self.subscriber.close()

    def topic(self, **config: Any) -> str:
        """Create a topic. Returns its name."""
        name = f"{self.project}/topics/t-{uuid.uuid4().hex[:12]}"
        self.publisher.create_topic(request={"name": name, **config}, timeout=RPC_SECONDS)
        return name

    def subscription(self, topic: str, **config: Any) -> str:
        """Create a subscription. Returns its name."""
        name = f"{self.project}/subscriptions/s-{uuid.uuid4().hex[:12]}"
        self.subscriber.create_subscription(
            request={"name": name, "topic": topic, **config}, timeout=RPC_SECONDS
        )
        return name

    def pair(self, **config: Any) -> tuple[str, str]:
        """Create a topic and a subscription to it. Returns their names."""
        topic = self.topic()
        return topic, self.subscription(topic, **config)

    def publish(self, topic: str, *bodies: bytes, **attributes: str) -> list[str]:
        """Publish in one request. Returns the message ids."""
        return self.publish_messages(
            topic, *[types.PubsubMessage(data=body, attributes=attributes) for body in bodies]
        )

    def publish_messages(self, topic: str, *messages: types.PubsubMessage) -> list[str]:
        """Publish messages without the client's own checks and batching."""
        client = PublisherClient(transport=self.publisher.transport)
        return list(client.publish(topic=topic, messages=messages, timeout=RPC_SECONDS).message_ids)

    def pull(
        self, subscription: str, count: int = 1, *, within: float = PATIENCE_SECONDS
    ) -> list[types.ReceivedMessage]:
        """Pull until `count` messages have arrived. Fails on a timeout."""
        received: list[types.ReceivedMessage] = []
        end = time.monotonic() + within
        while len(received) < count and time.monotonic() < end:
            received += self.pull_now(subscription, count - len(received))
            if len(received) < count:
                time.sleep(0.05)
        assert len(received) == count, f"{len(received)} of {count} messages within {within:g} s"
        return received

    def pull_now(self, subscription: str, count: int = 1) -> list[types.ReceivedMessage]:
        """Pull the messages that are ready now."""
        response = self.subscriber.pull(
            request={"subscription": subscription, "max_messages": count, "return_immediately": True},
            timeout=RPC_SECONDS,
        )
        return list(response.received_messages)

    def assert_quiet(self, subscription: str, seconds: float = QUIET_SECONDS) -> None:
        """Fail if a message arrives within `seconds`."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = self.pull_now(subscription, 10)
            assert not found, [message.message.data for message in found]
            time.sleep(0.1)

    def ack(self, subscription: str, *messages: types.ReceivedMessage) -> None:
        """Acknowledge."""
        ids = [message.ack_id for message in messages]
        self.subscriber.acknowledge(subscription=subscription, ack_ids=ids, timeout=RPC_SECONDS)

    def modify(self, subscription: str, seconds: int, *messages: types.ReceivedMessage) -> None:
        """Set the leases' remaining time; 0 nacks the messages."""
        self.subscriber.modify_ack_deadline(
            subscription=subscription,
            ack_ids=[message.ack_id for message in messages],
            ack_deadline_seconds=seconds,
            timeout=RPC_SECONDS,
        )

    @contextmanager
    def receiving(
        self, subscription: str, callback: Callable[[Any], None], **flow_control: int
    ) -> Iterator[None]:
        """Context manager with a streaming pull."""
        pulling = self.subscriber.subscribe(
            subscription,
            callback,
            flow_control=pubsub_v1.types.FlowControl(**flow_control),
            await_callbacks_on_shutdown=True,
        )
        try:
            yield
        finally:
            pulling.cancel()
            pulling.result(PATIENCE_SECONDS)


class Inbox:
    """A callback that records its messages."""

    def __init__(self, *, acknowledge: bool = True) -> None:
        self.messages: list[Any] = []
        self._acknowledge = acknowledge
        self._changed = threading.Condition()

    def __call__(self, message: Any) -> None:
        with self._changed:
            self.messages.append(message)
            self._changed.notify_all()
        if self._acknowledge:
            message.ack()

    @property
    def bodies(self) -> list[bytes]:
        """The data of all received messages, in order of arrival."""
        with self._changed:
            return [message.data for message in self.messages]

    def wait(self, count: int, within: float = PATIENCE_SECONDS) -> None:
        """Wait until `count` messages have arrived. Fails on a timeout."""
        with self._changed:
            arrived = self._changed.wait_for(lambda: len(self.messages) >= count, within)
            assert arrived, f"{len(self.messages)} of {count} messages within {within:g} s"
