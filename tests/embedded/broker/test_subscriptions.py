"""Subscriptions: create, get, list, update, detach and delete."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from google.api_core.exceptions import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    MethodNotImplemented,
    NotFound,
)

from tests.embedded.broker.bus import PATIENCE_SECONDS, RPC_SECONDS, Bus


def test_a_subscription_has_the_documented_defaults(bus: Bus) -> None:
    topic, name = bus.pair()
    subscription = bus.subscriber.get_subscription(subscription=name, timeout=RPC_SECONDS)
    assert subscription.topic == topic
    assert subscription.ack_deadline_seconds == 10
    assert subscription.message_retention_duration.total_seconds() == 7 * 86400
    assert not subscription.retain_acked_messages
    assert not subscription.push_config.push_endpoint


def test_a_subscription_can_be_created_only_once(bus: Bus) -> None:
    topic, name = bus.pair()
    with pytest.raises(AlreadyExists):
        bus.subscriber.create_subscription(name=name, topic=topic, timeout=RPC_SECONDS)


def test_a_subscription_requires_its_topic(bus: Bus) -> None:
    with pytest.raises(NotFound):
        bus.subscription(f"{bus.project}/topics/never-made")


def test_a_missing_subscription_is_not_found(bus: Bus) -> None:
    name = f"{bus.project}/subscriptions/never-made"
    with pytest.raises(NotFound):
        bus.subscriber.get_subscription(subscription=name, timeout=RPC_SECONDS)
    with pytest.raises(NotFound):
        bus.pull_now(name)
    with pytest.raises(NotFound):
        bus.subscriber.delete_subscription(subscription=name, timeout=RPC_SECONDS)


@pytest.mark.parametrize("identifier", ["ab", "1digit", "google-owned", "sp ace", "a" * 256])
def test_a_subscription_with_an_invalid_name_is_rejected(bus: Bus, identifier: str) -> None:
    topic = bus.topic()
    name = f"{bus.project}/subscriptions/{identifier}"
    with pytest.raises(InvalidArgument):
        bus.subscriber.create_subscription(name=name, topic=topic, timeout=RPC_SECONDS)


@pytest.mark.parametrize("seconds", [9, 601, -1])
def test_an_ack_deadline_out_of_range_is_rejected(bus: Bus, seconds: int) -> None:
    topic = bus.topic()
    with pytest.raises(InvalidArgument):
        bus.subscription(topic, ack_deadline_seconds=seconds)


@pytest.mark.parametrize(
    "config",
    [
        {"message_retention_duration": {"seconds": 599}},
        {"message_retention_duration": {"seconds": 31 * 86400 + 1}},
        {"retry_policy": {"minimum_backoff": {"seconds": 601}}},
        {"retry_policy": {"minimum_backoff": {"seconds": 20}, "maximum_backoff": {"seconds": 10}}},
        {"push_config": {"push_endpoint": "not a url"}},
    ],
)
def test_a_setting_out_of_range_is_rejected(bus: Bus, config: dict[str, Any]) -> None:
    topic = bus.topic()
    with pytest.raises(InvalidArgument):
        bus.subscription(topic, **config)


def test_subscriptions_are_listed_in_pages_without_gaps_or_repeats(bus: Bus) -> None:
    topic = bus.topic()
    project = f"projects/p-{uuid.uuid4().hex[:8]}"
    names = [f"{project}/subscriptions/subscription-{number}" for number in range(5)]
    for name in names:
        bus.subscriber.create_subscription(name=name, topic=topic, timeout=RPC_SECONDS)
    request = {"project": project, "page_size": 2}
    pages = list(bus.subscriber.list_subscriptions(request=request, timeout=RPC_SECONDS).pages)
    assert [len(page.subscriptions) for page in pages] == [2, 2, 1]
    assert sorted(found.name for page in pages for found in page.subscriptions) == names


def update(bus: Bus, name: str, paths: list[str], **changes: Any) -> None:
    request = {"subscription": {"name": name, **changes}, "update_mask": {"paths": paths}}
    bus.subscriber.update_subscription(request=request, timeout=RPC_SECONDS)


def test_only_the_fields_of_the_mask_are_changed(bus: Bus) -> None:
    _, name = bus.pair(labels={"kept": "yes"})
    update(bus, name, ["ack_deadline_seconds"], ack_deadline_seconds=33, labels={"ignored": "yes"})
    subscription = bus.subscriber.get_subscription(subscription=name, timeout=RPC_SECONDS)
    assert subscription.ack_deadline_seconds == 33
    assert dict(subscription.labels) == {"kept": "yes"}


def test_a_filter_can_not_be_changed(bus: Bus) -> None:
    _, name = bus.pair(filter='attributes.lane = "batch"')
    with pytest.raises(InvalidArgument):
        update(bus, name, ["filter"], filter='attributes.lane = "other"')


def test_an_update_requires_a_mask(bus: Bus) -> None:
    _, name = bus.pair()
    with pytest.raises(InvalidArgument):
        update(bus, name, [], ack_deadline_seconds=33)


def test_a_deleted_subscriptions_messages_are_dropped(bus: Bus) -> None:
    topic, name = bus.pair()
    bus.publish(topic, b"goes with it")
    bus.subscriber.delete_subscription(subscription=name, timeout=RPC_SECONDS)
    bus.subscriber.create_subscription(name=name, topic=topic, timeout=RPC_SECONDS)
    bus.assert_quiet(name)


def test_deleting_a_subscription_ends_its_streams(bus: Bus) -> None:
    _, name = bus.pair()
    pulling = bus.subscriber.subscribe(name, lambda message: message.ack())
    bus.subscriber.delete_subscription(subscription=name, timeout=RPC_SECONDS)
    with pytest.raises(NotFound):
        pulling.result(PATIENCE_SECONDS)


def test_a_detached_subscription_has_no_messages_and_receives_none(bus: Bus) -> None:
    topic, name = bus.pair()
    bus.publish(topic, b"dropped")
    bus.publisher.detach_subscription(request={"subscription": name}, timeout=RPC_SECONDS)
    assert bus.subscriber.get_subscription(subscription=name, timeout=RPC_SECONDS).detached
    with pytest.raises(FailedPrecondition):
        bus.pull_now(name)


@pytest.mark.parametrize("feature", ["enable_message_ordering", "enable_exactly_once_delivery"])
def test_an_unsupported_guarantee_is_rejected(own_bus: Bus, feature: str) -> None:
    with pytest.raises(MethodNotImplemented, match=feature):
        own_bus.pair(**{feature: True})
