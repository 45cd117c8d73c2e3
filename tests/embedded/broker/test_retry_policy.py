"""Retry policies: how long a message that failed stays away."""

from __future__ import annotations

import time

from tests.embedded.broker.bus import Bus

BACKOFF = {"minimum_backoff": {"seconds": 2}, "maximum_backoff": {"seconds": 4}}


def seconds_away(bus: Bus, subscription: str) -> float:
    """Give back the next message; how long until it comes again (and is held)."""
    (received,) = bus.pull(subscription)
    bus.modify(subscription, 0, received)
    begin = time.monotonic()
    (again,) = bus.pull(subscription)
    away = time.monotonic() - begin
    bus.modify(subscription, 0, again)
    return away


def test_a_message_given_back_stays_away_for_the_minimum_backoff(bus: Bus) -> None:
    topic, subscription = bus.pair(retry_policy=BACKOFF)
    bus.publish(topic, b"later")
    assert 1.9 < seconds_away(bus, subscription) < 20


def test_backoff_grows_from_failure_to_failure_up_to_its_maximum(own_bus: Bus) -> None:
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


def test_a_lease_that_ends_is_a_failure_like_any_other(bus: Bus) -> None:
    topic, subscription = bus.pair(retry_policy=BACKOFF)
    bus.publish(topic, b"expired")
    (received,) = bus.pull(subscription)
    bus.modify(subscription, 1, received)
    begin = time.monotonic()
    bus.pull(subscription)
    assert time.monotonic() - begin > 2.8


def test_a_message_that_backs_off_does_not_hold_up_the_others(bus: Bus) -> None:
    topic, subscription = bus.pair(retry_policy={"minimum_backoff": {"seconds": 30}})
    bus.publish(topic, b"bad")
    bus.modify(subscription, 0, *bus.pull(subscription))
    bus.publish(topic, b"good")
    assert bus.pull(subscription)[0].message.data == b"good"


def test_a_policys_defaults_are_told(bus: Bus) -> None:
    _, subscription = bus.pair(retry_policy={})
    policy = bus.subscriber.get_subscription(subscription=subscription).retry_policy
    assert policy.minimum_backoff.total_seconds() == 10
    assert policy.maximum_backoff.total_seconds() == 600
