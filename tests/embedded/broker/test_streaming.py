"""Streaming pull: delivery, flow control, and messages of a closed stream."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from google.api_core.exceptions import FailedPrecondition, GoogleAPICallError, InvalidArgument
from google.pubsub_v1 import types

from tests.embedded.broker.bus import PATIENCE_SECONDS, Bus, Inbox
from tests.support.waiting import eventually


class RawStream:
    """A streaming pull without the client's lease management."""

    def __init__(self, bus: Bus, subscription: str, **first: Any) -> None:
        self._requests: queue.SimpleQueue[types.StreamingPullRequest | None] = queue.SimpleQueue()
        settings = {"subscription": subscription, "stream_ack_deadline_seconds": 60, **first}
        self.send(**settings)
        self._call = bus.subscriber.streaming_pull(
            requests=iter(self._requests.get, None), timeout=2 * PATIENCE_SECONDS
        )

    def send(self, **fields: Any) -> None:
        self._requests.put(types.StreamingPullRequest(**fields))

    def responses(self) -> Iterator[types.StreamingPullResponse]:
        yield from self._call

    def messages(self, count: int) -> list[types.ReceivedMessage]:
        """Wait for `count` messages."""
        received: list[types.ReceivedMessage] = []
        for response in self._call:
            received += response.received_messages
            if len(received) >= count:
                break
        return received

    def close(self) -> None:
        self._requests.put(None)
        self._call.cancel()


@contextmanager
def raw_stream(bus: Bus, subscription: str, **first: Any) -> Iterator[RawStream]:
    stream = RawStream(bus, subscription, **first)
    try:
        yield stream
    finally:
        stream.close()


def test_a_stream_receives_existing_and_new_messages(bus: Bus) -> None:
    topic, subscription = bus.pair()
    bus.publish(topic, b"before")
    inbox = Inbox()
    with bus.receiving(subscription, inbox):
        inbox.wait(1)
        bus.publish(topic, b"after")
        inbox.wait(2)
    assert inbox.bodies == [b"before", b"after"]


def test_messages_acknowledged_on_a_stream_are_not_redelivered(bus: Bus) -> None:
    topic, subscription = bus.pair()
    inbox = Inbox()
    with bus.receiving(subscription, inbox):
        bus.publish(topic, *[str(number).encode() for number in range(50)])
        inbox.wait(50)
    bus.assert_quiet(subscription)
    assert len(set(inbox.bodies)) == 50


def test_a_message_nacked_on_a_stream_is_redelivered(bus: Bus) -> None:
    topic, subscription = bus.pair()
    attempts: list[str] = []

    def receive(message: Any) -> None:
        attempts.append(message.message_id)
        if len(attempts) < 3:
            message.nack()
        else:
            message.ack()

    with bus.receiving(subscription, receive):
        bus.publish(topic, b"third time lucky")
        eventually(lambda: len(attempts) >= 3)
    assert len(set(attempts)) == 1


def test_a_streams_outstanding_messages_are_limited(bus: Bus) -> None:
    topic, subscription = bus.pair()
    bus.publish(topic, *[b"x"] * 10)
    with raw_stream(bus, subscription, max_outstanding_messages=3) as stream:
        received = stream.messages(3)
        assert len(received) == 3
        # The other seven are available to other clients: they are not buffered for the stream.
        assert len(bus.pull(subscription, 7)) == 7
        bus.assert_quiet(subscription)


def test_an_acknowledgement_frees_capacity_for_the_next_message(bus: Bus) -> None:
    topic, subscription = bus.pair()
    bus.publish(topic, *[str(number).encode() for number in range(5)])
    seen: list[bytes] = []
    with raw_stream(bus, subscription, max_outstanding_messages=1) as stream:
        for response in stream.responses():
            for received in response.received_messages:
                seen.append(received.message.data)
                stream.send(ack_ids=[received.ack_id])
            if len(seen) == 5:
                break
    assert sorted(seen) == [b"0", b"1", b"2", b"3", b"4"]


def test_a_streams_outstanding_bytes_are_limited(bus: Bus) -> None:
    topic, subscription = bus.pair()
    bus.publish(topic, *[b"x" * 10_000] * 10)
    with raw_stream(bus, subscription, max_outstanding_bytes=25_000) as stream:
        # Three: the last one may exceed the limit; otherwise a message above it could never be delivered.
        assert len(stream.messages(2)) <= 3
        assert 7 <= len(bus.pull(subscription, 7)) <= 8


def test_the_clients_flow_control_limits_concurrent_callbacks(bus: Bus) -> None:
    topic, subscription = bus.pair()
    inbox = Inbox(acknowledge=False)
    bus.publish(topic, *[b"x"] * 10)
    with bus.receiving(subscription, inbox, max_messages=2):
        inbox.wait(2)
        time.sleep(1)
        assert len(inbox.messages) == 2
        for message in inbox.messages[:2]:
            message.ack()
        inbox.wait(4)
        for message in inbox.messages:
            message.nack()


def test_two_streams_share_one_subscription(bus: Bus) -> None:
    topic, subscription = bus.pair()
    one, two = Inbox(), Inbox()
    published: list[str] = []

    def publish_until_both_have_some() -> bool:
        # The stream that is opened first may receive all messages before the other is opened.
        published.append(str(len(published)))
        bus.publish(topic, published[-1].encode())
        return len(published) >= 100 and bool(one.messages) and bool(two.messages)

    with bus.receiving(subscription, one, max_messages=5), bus.receiving(subscription, two, max_messages=5):
        eventually(publish_until_both_have_some)
        eventually(lambda: len(one.messages) + len(two.messages) >= len(published))
    assert sorted(map(int, one.bodies + two.bodies)) == list(range(len(published)))


def test_messages_of_a_closed_stream_stay_leased_until_their_deadline(bus: Bus) -> None:
    topic, subscription = bus.pair()
    bus.publish(topic, b"leased")
    with raw_stream(bus, subscription) as stream:
        (received,) = stream.messages(1)
    bus.assert_quiet(subscription)
    bus.modify(subscription, 0, received)
    assert bus.pull(subscription)[0].message.data == b"leased"


def test_a_deadline_can_be_changed_on_the_stream(bus: Bus) -> None:
    topic, subscription = bus.pair()
    bus.publish(topic, b"returned")
    with raw_stream(bus, subscription, max_outstanding_messages=1) as stream:
        (received,) = stream.messages(1)
        stream.send(modify_deadline_ack_ids=[received.ack_id], modify_deadline_seconds=[0])
        (again,) = stream.messages(1)
        assert again.message.message_id == received.message.message_id


@pytest.mark.slow
def test_the_streams_ack_deadline_overrides_the_subscriptions(bus: Bus) -> None:
    topic, subscription = bus.pair(ack_deadline_seconds=600)
    bus.publish(topic, b"short lease")
    with raw_stream(bus, subscription, stream_ack_deadline_seconds=10) as stream:
        stream.messages(1)
        begin = time.monotonic()
        stream.messages(1)
        assert 8 < time.monotonic() - begin < PATIENCE_SECONDS


@pytest.mark.parametrize("seconds", [0, 9, 601])
def test_a_stream_ack_deadline_out_of_range_is_rejected(bus: Bus, seconds: int) -> None:
    _, subscription = bus.pair()
    with (
        raw_stream(bus, subscription, stream_ack_deadline_seconds=seconds) as stream,
        pytest.raises(InvalidArgument),
    ):
        stream.messages(1)


def test_a_stream_can_not_change_its_subscription(bus: Bus) -> None:
    _, subscription = bus.pair()
    with raw_stream(bus, subscription) as stream:
        stream.send(subscription=subscription)
        with pytest.raises(InvalidArgument):
            stream.messages(1)


def test_a_stream_on_a_missing_subscription_is_rejected(bus: Bus) -> None:
    name = f"{bus.project}/subscriptions/never-made"
    with raw_stream(bus, name) as stream, pytest.raises(GoogleAPICallError, match=r"never-made|not found"):
        stream.messages(1)


def test_a_stream_on_a_push_subscription_is_rejected(bus: Bus) -> None:
    # The endpoint does not exist: nothing is published, so nothing is pushed.
    _, subscription = bus.pair(push_config={"push_endpoint": "http://127.0.0.1:9/push"})
    with raw_stream(bus, subscription) as stream, pytest.raises(FailedPrecondition):
        stream.messages(1)
