"""Pull, Acknowledge and ModifyAckDeadline."""

from __future__ import annotations

import threading
import time
from contextlib import suppress

import pytest
from google.api_core.exceptions import InvalidArgument

from tests.embedded.broker.bus import PATIENCE_SECONDS, RPC_SECONDS, Bus
from tests.support.waiting import eventually

SHORT_LEASE = 2
"""Seconds."""


def test_an_acknowledged_message_is_not_redelivered(bus: Bus) -> None:
    topic, subscription = bus.pair()
    bus.publish(topic, b"once")
    (received,) = bus.pull(subscription)
    bus.modify(subscription, 1, received)
    bus.ack(subscription, received)
    bus.assert_quiet(subscription, 2.5)


def test_a_leased_message_is_not_delivered_to_another_client(bus: Bus) -> None:
    topic, subscription = bus.pair()
    bus.publish(topic, b"leased")
    bus.pull(subscription)
    bus.assert_quiet(subscription)


@pytest.mark.slow
def test_a_message_is_redelivered_exactly_after_the_subscriptions_deadline(bus: Bus) -> None:
    topic, subscription = bus.pair(ack_deadline_seconds=10)
    bus.publish(topic, b"again")
    (first,) = bus.pull(subscription)
    pulled = time.monotonic()
    (second,) = bus.pull(subscription)
    assert time.monotonic() - pulled > 9
    assert second.message.message_id == first.message.message_id
    assert second.ack_id != first.ack_id


def test_a_shortened_lease_ends_sooner(bus: Bus) -> None:
    topic, subscription = bus.pair(ack_deadline_seconds=600)
    bus.publish(topic, b"again")
    (received,) = bus.pull(subscription)
    bus.modify(subscription, 1, received)
    assert bus.pull(subscription)[0].message.data == b"again"


def test_an_extended_lease_lasts_longer(bus: Bus) -> None:
    topic, subscription = bus.pair()
    bus.publish(topic, b"mine")
    extended = False
    while not extended:
        (received,) = bus.pull(subscription)
        begun = time.monotonic()
        bus.modify(subscription, SHORT_LEASE, received)
        bus.modify(subscription, 60, received)
        extended = time.monotonic() - begun < SHORT_LEASE
        if not extended:  # on a busy machine the lease may have ended in between: again
            bus.modify(subscription, 0, received)
    bus.assert_quiet(subscription, 2 * SHORT_LEASE)
    bus.ack(subscription, received)


def test_a_deadline_of_zero_returns_the_message_immediately(bus: Bus) -> None:
    topic, subscription = bus.pair(ack_deadline_seconds=600)
    bus.publish(topic, b"back")
    (first,) = bus.pull(subscription)
    bus.modify(subscription, 0, first)
    (second,) = bus.pull(subscription)
    assert second.message.message_id == first.message.message_id


def test_an_old_delivery_can_not_change_the_lease_of_a_new_one(bus: Bus) -> None:
    topic, subscription = bus.pair(ack_deadline_seconds=600)
    bus.publish(topic, b"contested")
    (first,) = bus.pull(subscription)
    bus.modify(subscription, 0, first)
    bus.pull(subscription)
    bus.modify(subscription, 0, first)
    bus.assert_quiet(subscription)


def test_a_message_can_be_acknowledged_after_its_deadline_if_it_is_not_leased(bus: Bus) -> None:
    topic, subscription = bus.pair(retry_policy={"minimum_backoff": {"seconds": 2}})
    bus.publish(topic, b"late")
    (received,) = bus.pull(subscription)
    bus.modify(subscription, 0, received)
    bus.ack(subscription, received)
    bus.assert_quiet(subscription, 4)


def test_acknowledging_twice_is_harmless(bus: Bus) -> None:
    topic, subscription = bus.pair()
    bus.publish(topic, b"one", b"two")
    first, second = bus.pull(subscription, 2)
    bus.ack(subscription, first)
    bus.ack(subscription, first, second)
    bus.assert_quiet(subscription)


@pytest.mark.parametrize("ack_id", ["never issued", "1-2", "1-zz-1", "1-fffffffffffffffffffff-1"])
def test_an_unknown_ack_id_is_rejected(bus: Bus, ack_id: str) -> None:
    _, subscription = bus.pair()
    with pytest.raises(InvalidArgument):
        bus.subscriber.acknowledge(subscription=subscription, ack_ids=[ack_id], timeout=RPC_SECONDS)


def test_an_ack_id_of_another_subscription_settles_nothing(bus: Bus) -> None:
    topic = bus.topic()
    mine, other = bus.subscription(topic), bus.subscription(topic)
    bus.publish(topic, b"for both")
    (received,) = bus.pull(mine)
    with suppress(InvalidArgument):  # rejected or ignored: Google documents neither
        bus.ack(other, received)
    assert bus.pull(other)[0].message.data == b"for both"


def test_a_lease_above_ten_minutes_is_rejected(bus: Bus) -> None:
    topic, subscription = bus.pair()
    bus.publish(topic, b"x")
    (received,) = bus.pull(subscription)
    for seconds in (601, -1):
        with pytest.raises(InvalidArgument):
            bus.modify(subscription, seconds, received)


def test_a_pull_must_request_a_message(bus: Bus) -> None:
    _, subscription = bus.pair()
    with pytest.raises(InvalidArgument):
        bus.pull_now(subscription, 0)


def test_a_pull_returns_at_most_the_requested_number(bus: Bus) -> None:
    topic, subscription = bus.pair()
    bus.publish(topic, *[b"x"] * 10)
    assert len(bus.pull_now(subscription, 3)) <= 3


def test_a_pull_with_return_immediately_does_not_wait(bus: Bus) -> None:
    _, subscription = bus.pair()
    begin = time.monotonic()
    assert bus.pull_now(subscription) == []
    assert time.monotonic() - begin < 10


def test_a_waiting_pull_returns_when_a_message_arrives(bus: Bus) -> None:
    topic, subscription = bus.pair()
    answers: list[bytes] = []

    def pull() -> None:
        response = bus.subscriber.pull(subscription=subscription, max_messages=1, timeout=PATIENCE_SECONDS)
        answers.extend(received.message.data for received in response.received_messages)

    waiting = threading.Thread(target=pull, name="waiting-pull")
    waiting.start()
    time.sleep(0.5)
    assert answers == []
    bus.publish(topic, b"worth the wait")
    waiting.join(PATIENCE_SECONDS)
    assert answers == [b"worth the wait"]


def test_a_waiting_pull_returns_within_its_callers_deadline(bus: Bus) -> None:
    _, subscription = bus.pair()
    response = bus.subscriber.pull(subscription=subscription, max_messages=1, timeout=5, retry=None)
    assert not response.received_messages


def test_an_abandoned_pull_leases_no_messages(bus: Bus) -> None:
    topic, subscription = bus.pair(ack_deadline_seconds=600)
    call = bus.subscriber.transport.grpc_channel.unary_unary("/google.pubsub.v1.Subscriber/Pull").future(
        b"\x0a" + bytes([len(subscription)]) + subscription.encode() + b"\x18\x01", timeout=RPC_SECONDS
    )
    time.sleep(0.5)
    call.cancel()

    def next_pull_succeeds() -> bool:
        # The first message may still be leased to the abandoned pull for ten minutes.
        bus.publish(topic, b"for the next one")
        return bool(bus.pull_now(subscription))

    eventually(next_pull_succeeds, every=0.5, within=PATIENCE_SECONDS)


def test_a_long_backlog_is_delivered_completely(bus: Bus) -> None:
    topic, subscription = bus.pair()
    for start in range(0, 6000, 1000):
        bus.publish(topic, *[str(start + offset).encode() for offset in range(1000)])
    seen: set[bytes] = set()

    def drained() -> bool:
        received = bus.pull_now(subscription, 1000)
        seen.update(message.message.data for message in received)
        if received:
            bus.ack(subscription, *received)
        return len(seen) == 6000

    eventually(drained)
    bus.assert_quiet(subscription)
