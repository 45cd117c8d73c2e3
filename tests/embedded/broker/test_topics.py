"""Topics: create, get, list, update and delete."""

from __future__ import annotations

import uuid

import pytest
from google.api_core.exceptions import AlreadyExists, InvalidArgument, MethodNotImplemented, NotFound

from tests.embedded.broker.bus import RPC_SECONDS, Bus


def test_a_created_topic_can_be_read(bus: Bus) -> None:
    name = bus.topic(labels={"team": "video"})
    topic = bus.publisher.get_topic(topic=name, timeout=RPC_SECONDS)
    assert topic.name == name
    assert dict(topic.labels) == {"team": "video"}


def test_a_topic_can_be_created_only_once(bus: Bus) -> None:
    name = bus.topic()
    with pytest.raises(AlreadyExists):
        bus.publisher.create_topic(name=name, timeout=RPC_SECONDS)


def test_a_missing_topic_is_not_found(bus: Bus) -> None:
    name = f"{bus.project}/topics/never-made"
    with pytest.raises(NotFound):
        bus.publisher.get_topic(topic=name, timeout=RPC_SECONDS)
    with pytest.raises(NotFound):
        bus.publisher.delete_topic(topic=name, timeout=RPC_SECONDS)
    with pytest.raises(NotFound):
        bus.publish(name, b"not delivered")


@pytest.mark.parametrize(
    "identifier", ["ab", "1begins-with-a-digit", "google-owned", "sp ace", "a" * 256, "slash/inside", ""]
)
def test_a_topic_with_an_invalid_name_is_rejected(bus: Bus, identifier: str) -> None:
    with pytest.raises(InvalidArgument):
        bus.publisher.create_topic(name=f"{bus.project}/topics/{identifier}", timeout=RPC_SECONDS)


def test_topics_are_listed_in_pages_without_gaps_or_repeats(bus: Bus) -> None:
    project = f"projects/p-{uuid.uuid4().hex[:8]}"
    names = [f"{project}/topics/topic-{number}" for number in range(7)]
    for name in names:
        bus.publisher.create_topic(name=name, timeout=RPC_SECONDS)
    request = {"project": project, "page_size": 3}
    pages = list(bus.publisher.list_topics(request=request, timeout=RPC_SECONDS).pages)
    assert [len(page.topics) for page in pages] == [3, 3, 1]
    assert sorted(topic.name for page in pages for topic in page.topics) == names


def test_another_projects_topics_are_not_listed(bus: Bus) -> None:
    bus.topic()
    listed = bus.publisher.list_topics(project=f"projects/p-{uuid.uuid4().hex[:8]}", timeout=RPC_SECONDS)
    assert list(listed) == []


def test_an_unknown_page_token_is_rejected(bus: Bus) -> None:
    request = {"project": bus.project, "page_token": "!!! not a token"}
    with pytest.raises(InvalidArgument):
        list(bus.publisher.list_topics(request=request, timeout=RPC_SECONDS))


def test_the_subscriptions_of_a_topic_are_listed_in_pages(bus: Bus) -> None:
    topic = bus.topic()
    names = sorted(bus.subscription(topic) for _ in range(3))
    bus.pair()
    request = {"topic": topic, "page_size": 2}
    assert sorted(bus.publisher.list_topic_subscriptions(request=request, timeout=RPC_SECONDS)) == names


def test_a_topics_labels_can_be_changed(bus: Bus) -> None:
    name = bus.topic(labels={"old": "1"})
    request = {"topic": {"name": name, "labels": {"new": "2"}}, "update_mask": {"paths": ["labels"]}}
    bus.publisher.update_topic(request=request, timeout=RPC_SECONDS)
    assert dict(bus.publisher.get_topic(topic=name, timeout=RPC_SECONDS).labels) == {"new": "2"}


def test_deleting_a_topic_keeps_its_subscription_and_its_messages(bus: Bus) -> None:
    topic, subscription = bus.pair()
    bus.publish(topic, b"published before")
    bus.publisher.delete_topic(topic=topic, timeout=RPC_SECONDS)
    kept = bus.subscriber.get_subscription(subscription=subscription, timeout=RPC_SECONDS)
    assert kept.topic == "_deleted-topic_"
    (received,) = bus.pull(subscription)
    assert received.message.data == b"published before"


def test_a_recreated_topic_does_not_feed_the_old_subscription(bus: Bus) -> None:
    topic, subscription = bus.pair()
    bus.publisher.delete_topic(topic=topic, timeout=RPC_SECONDS)
    bus.publisher.create_topic(name=topic, timeout=RPC_SECONDS)
    bus.publish(topic, b"not delivered")
    bus.assert_quiet(subscription)


def test_unsupported_features_are_unimplemented(own_bus: Bus) -> None:
    with pytest.raises(MethodNotImplemented, match="message_retention_duration"):
        own_bus.topic(message_retention_duration={"seconds": 3600})
    with pytest.raises(MethodNotImplemented, match="Snapshots"):
        list(own_bus.subscriber.list_snapshots(project=own_bus.project, timeout=RPC_SECONDS))
