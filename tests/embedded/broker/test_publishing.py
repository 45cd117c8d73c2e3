"""Publishing: delivery and validation of messages."""

from __future__ import annotations

import time

import grpc
import pytest
from google.api_core.exceptions import InvalidArgument
from google.pubsub_v1 import SubscriberClient, types
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from tests.embedded.broker.bus import RPC_SECONDS, Bus


def test_a_message_arrives_unchanged(bus: Bus) -> None:
    topic, subscription = bus.pair()
    before = time.time()
    (identifier,) = bus.publish(topic, b"\x00binary\xff", lane="batch", empty="")
    (received,) = bus.pull(subscription)
    assert received.message.data == b"\x00binary\xff"
    assert dict(received.message.attributes) == {"lane": "batch", "empty": ""}
    assert received.message.message_id == identifier
    assert abs(received.message.publish_time.timestamp() - before) < 60


def test_message_ids_are_unique(bus: Bus) -> None:
    topic = bus.topic()
    identifiers = [i for _ in range(5) for i in bus.publish(topic, *[b"x"] * 20)]
    assert len(set(identifiers)) == 100


def test_a_batch_of_a_thousand_messages_arrives_completely(bus: Bus) -> None:
    topic, subscription = bus.pair()
    bodies = [str(number).encode() for number in range(1000)]
    bus.publish(topic, *bodies)
    assert sorted(m.message.data for m in bus.pull(subscription, 1000)) == sorted(bodies)


def test_a_message_of_attributes_only_arrives(bus: Bus) -> None:
    topic, subscription = bus.pair()
    bus.publish(topic, b"", kind="ping")
    (received,) = bus.pull(subscription)
    assert received.message.data == b""
    assert dict(received.message.attributes) == {"kind": "ping"}


def test_an_ordering_key_is_carried(bus: Bus) -> None:
    topic, subscription = bus.pair()
    bus.publish_messages(topic, types.PubsubMessage(data=b"x", ordering_key="table-7"))
    (received,) = bus.pull(subscription)
    assert received.message.ordering_key == "table-7"


def test_an_empty_message_is_rejected(bus: Bus) -> None:
    with pytest.raises(InvalidArgument):
        bus.publish_messages(bus.topic(), types.PubsubMessage())


def test_a_request_without_messages_is_rejected(bus: Bus) -> None:
    with pytest.raises(InvalidArgument):
        bus.publish_messages(bus.topic())


def test_a_request_of_more_than_a_thousand_messages_is_rejected(bus: Bus) -> None:
    topic, subscription = bus.pair()
    with pytest.raises(InvalidArgument):
        bus.publish(topic, *[b"x"] * 1001)
    bus.assert_quiet(subscription)


def test_a_message_above_ten_megabytes_is_rejected(bus: Bus) -> None:
    topic = bus.topic()
    with pytest.raises(InvalidArgument):
        bus.publish(topic, b"x" * 10_000_001)


@pytest.mark.parametrize(
    "attributes",
    [{"": "no key"}, {"k" * 257: "long key"}, {"key": "v" * 1025}, {f"k{n}": "" for n in range(101)}],
    ids=["empty key", "long key", "long value", "too many"],
)
def test_attributes_above_the_limits_are_rejected(bus: Bus, attributes: dict[str, str]) -> None:
    with pytest.raises(InvalidArgument):
        bus.publish_messages(bus.topic(), types.PubsubMessage(data=b"x", attributes=attributes))


def test_a_message_of_nine_megabytes_arrives_completely(bus: Bus, host_port: str) -> None:
    # The client's channel to an emulator is limited to 4 MiB; this one has the service's limit.
    topic, subscription = bus.pair()
    body = bytes(range(256)) * 36_000
    bus.publish(topic, body)
    options = [("grpc.max_receive_message_length", -1)]
    with grpc.insecure_channel(host_port, options=options) as channel:
        client = SubscriberClient(transport=SubscriberGrpcTransport(channel=channel))
        response = client.pull(subscription=subscription, max_messages=1, timeout=RPC_SECONDS)
    assert response.received_messages[0].message.data == body


def test_every_subscription_gets_every_message(bus: Bus) -> None:
    topic = bus.topic()
    subscriptions = [bus.subscription(topic) for _ in range(2)]
    bus.publish(topic, b"1", b"2", b"3")
    for subscription in subscriptions:
        received = bus.pull(subscription, 3)
        assert sorted(m.message.data for m in received) == [b"1", b"2", b"3"]
        bus.ack(subscription, *received)


def test_a_subscription_receives_no_messages_from_before_its_creation(bus: Bus) -> None:
    topic = bus.topic()
    bus.publish(topic, b"before")
    subscription = bus.subscription(topic)
    bus.publish(topic, b"after")
    assert bus.pull(subscription)[0].message.data == b"after"
    bus.assert_quiet(subscription)
