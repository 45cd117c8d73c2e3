"""Retry policies: the delay of failed messages."""

from __future__ import annotations

import time

from tests.embedded.broker.bus import Bus

BACKOFF = {"minimum_backoff": {"seconds": 2}, "maximum_backoff": {"seconds": 4}}


def seconds_until_redelivery(bus: Bus, subscription: str) -> float:
    """Nack the next message. Returns the seconds until it is redelivered (and leased)."""
    (received,) = bus.pull(subscription)
    bus.modify(subscription, 0, received)
    begin = time.monotonic()
    (again,) = bus.pull(subscription)
    away = time.monotonic() - begin
    bus.modify(subscription, 0, again)
    return away


def test_a_nacked_message_is_delayed_by_the_minimum_backoff(bus: Bus) -> None:
    topic, subscription = bus.pair(retry_policy=BACKOFF)
    bus.publish(topic, b"later")
    assert 1.9 < seconds_until_redelivery(bus, subscription) < 20


def test_backoff_increases_with_each_failure_up_to_its_maximum(own_bus: Bus) -> None:
    policy = {"minimum_backoff": {"nanos": 500_000_000}, "maximum_backoff": {"seconds": 2}}
    topic, subscription = own_bus.pair(retry_policy=policy)
    own_bus.publish(topic, b"later and later")
    (received,) = own_bus.pull(subscription)
    away: list[float] = []
    for _ in range(4):
        own_bus.modify(subscription, 0, received)
        begin = time.monotonic()
        (received,) = own_bus.pull(subscription)
        away.append(time.monotonic() - begin)
    for waited, at_least in zip(away, (0.5, 1, 2, 2), strict=True):
        assert at_least * 0.9 < waited < at_least + 10


def test_an_expired_lease_counts_as_a_failure(bus: Bus) -> None:
    topic, subscription = bus.pair(retry_policy=BACKOFF)
    bus.publish(topic, b"expired")
    (received,) = bus.pull(subscription)
    bus.modify(subscription, 1, received)
    begin = time.monotonic()
    bus.pull(subscription)
    assert time.monotonic() - begin > 2.8


def test_backoff_of_a_message_does_not_delay_others(bus: Bus) -> None:
    topic, subscription = bus.pair(retry_policy={"minimum_backoff": {"seconds": 30}})
    bus.publish(topic, b"bad")
    bus.modify(subscription, 0, *bus.pull(subscription))
    bus.publish(topic, b"good")
    assert bus.pull(subscription)[0].message.data == b"good"


def test_a_policy_is_returned_with_its_defaults(bus: Bus) -> None:
    _, subscription = bus.pair(retry_policy={})
    policy = bus.subscriber.get_subscription(subscription=subscription).retry_policy
    assert policy.minimum_backoff.total_seconds() == 10
    assert policy.maximum_backoff.total_seconds() == 600
