"""Dead letter policies: delivery attempts, and forwarding to the dead letter topic."""

from __future__ import annotations

import pytest
from google.api_core.exceptions import BadRequest, NotFound

from tests.embedded.broker.bus import PROJECT, RPC_SECONDS, Bus


def with_dead_letters(bus: Bus, attempts: int = 5) -> tuple[str, str, str]:
    """Create a topic, its subscription, and a subscription to the dead letter topic."""
    dead = bus.topic()
    topic, subscription = bus.pair(
        dead_letter_policy={"dead_letter_topic": dead, "max_delivery_attempts": attempts}
    )
    return topic, subscription, bus.subscription(dead)


def test_deliveries_are_counted(bus: Bus) -> None:
    topic, subscription, _ = with_dead_letters(bus)
    bus.publish(topic, b"counted")
    for attempt in (1, 2, 3):
        (received,) = bus.pull(subscription)
        assert received.delivery_attempt == attempt
        bus.modify(subscription, 0, received)


def test_the_delivery_attempt_is_omitted_without_a_policy(bus: Bus) -> None:
    topic, subscription = bus.pair()
    bus.publish(topic, b"not counted")
    assert bus.pull(subscription)[0].delivery_attempt == 0


@pytest.mark.parametrize("attempts", [5, 7])
def test_a_message_is_forwarded_after_exactly_its_last_attempt(bus: Bus, attempts: int) -> None:
    topic, subscription, dead = with_dead_letters(bus, attempts)
    bus.publish(topic, b"poison")
    for attempt in range(1, attempts + 1):
        bus.assert_quiet(dead, 0.1)
        (received,) = bus.pull(subscription)
        assert received.delivery_attempt == attempt
        bus.modify(subscription, 0, received)
    assert bus.pull(dead)[0].message.data == b"poison"
    bus.assert_quiet(subscription)


def test_a_message_is_forwarded_when_its_last_lease_expires(bus: Bus) -> None:
    topic, subscription, dead = with_dead_letters(bus)
    bus.publish(topic, b"forgotten")
    for _ in range(4):
        bus.modify(subscription, 0, *bus.pull(subscription))
    bus.modify(subscription, 1, *bus.pull(subscription))
    assert bus.pull(dead)[0].message.data == b"forgotten"


def test_a_message_acknowledged_at_its_last_attempt_is_not_forwarded(bus: Bus) -> None:
    topic, subscription, dead = with_dead_letters(bus)
    bus.publish(topic, b"saved")
    for _ in range(4):
        bus.modify(subscription, 0, *bus.pull(subscription))
    bus.ack(subscription, *bus.pull(subscription))
    bus.assert_quiet(dead)


def test_a_dead_letter_names_its_source(bus: Bus) -> None:
    topic, subscription, dead = with_dead_letters(bus)
    (original,) = bus.publish(topic, b"poison", own="attribute")
    for _ in range(5):
        bus.modify(subscription, 0, *bus.pull(subscription))
    (letter,) = bus.pull(dead)
    attributes = dict(letter.message.attributes)
    assert attributes.pop("CloudPubSubDeadLetterSourceTopicPublishTime")
    assert attributes == {
        "own": "attribute",
        "CloudPubSubDeadLetterSourceDeliveryCount": "5",
        "CloudPubSubDeadLetterSourceSubscription": subscription.rpartition("/")[2],
        "CloudPubSubDeadLetterSourceSubscriptionProject": PROJECT,
    }
    assert letter.message.message_id != original


@pytest.mark.slow
def test_a_message_is_redelivered_if_its_dead_letter_topic_is_deleted(own_bus: Bus) -> None:
    topic, subscription, dead = with_dead_letters(own_bus)
    dead_topic = own_bus.subscriber.get_subscription(subscription=dead, timeout=RPC_SECONDS).topic
    own_bus.publish(topic, b"not lost")
    own_bus.publisher.delete_topic(topic=dead_topic, timeout=RPC_SECONDS)
    for _ in range(6):
        (received,) = own_bus.pull(subscription)
        own_bus.modify(subscription, 0, received)
    assert received.delivery_attempt == 6


@pytest.mark.parametrize("attempts", [4, 101])
def test_a_number_of_attempts_out_of_range_is_rejected(bus: Bus, attempts: int) -> None:
    with pytest.raises(BadRequest):
        with_dead_letters(bus, attempts)


def test_a_dead_letter_topic_must_exist(bus: Bus) -> None:
    with pytest.raises(NotFound):
        bus.pair(dead_letter_policy={"dead_letter_topic": f"{bus.project}/topics/never-made"})
