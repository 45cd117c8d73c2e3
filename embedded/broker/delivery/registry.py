"""All topics and subscriptions, in memory, mirroring the disk."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from embedded.broker.delivery.delivery import Delivery
from embedded.broker.delivery.filter import Predicate
from embedded.broker.names import check_project, check_subscription, check_topic
from embedded.broker.paging import page
from embedded.broker.refusals import NotFound


@dataclass(eq=False, slots=True)
class TopicRecord:
    """A topic; `config` is a google.pubsub.v1.Topic."""

    id: int
    config: Any
    subscriptions: dict[str, SubscriptionRecord] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return str(self.config.name)


@dataclass(eq=False, slots=True)
class SubscriptionRecord:
    """A subscription; `config` is a google.pubsub.v1.Subscription, `topic` is None once it is deleted."""

    id: int
    config: Any
    topic: TopicRecord | None
    delivery: Delivery
    matches: Predicate | None = None
    """None without a filter."""

    @property
    def name(self) -> str:
        return str(self.config.name)


class Registry:
    """Lookups by name. `changing` is locked while a topic or subscription is created, updated or deleted."""

    def __init__(self) -> None:
        self.topics: dict[str, TopicRecord] = {}
        self.subscriptions: dict[str, SubscriptionRecord] = {}
        self.changing = asyncio.Lock()

    def topic(self, name: str) -> TopicRecord:
        """The topic of that name. Raises InvalidArgument or NotFound."""
        record = self.topics.get(name)
        if record is None:
            check_topic(name)
            raise NotFound(f"Topic not found (resource={name}).")
        return record

    def subscription(self, name: str) -> SubscriptionRecord:
        """The subscription of that name. Raises InvalidArgument or NotFound."""
        record = self.subscriptions.get(name)
        if record is None:
            check_subscription(name)
            raise NotFound(f"Subscription does not exist (resource={name}).")
        return record

    def list_topics(self, project: str, size: int, token: str) -> tuple[list[TopicRecord], str]:
        """A page of a project's topics by name, and the next page's token ("" at the end)."""
        check_project(project)
        names, next_token = page(_under(self.topics, f"{project}/topics/"), size, token)
        return [self.topics[name] for name in names], next_token

    def list_subscriptions(self, project: str, size: int, token: str) -> tuple[list[SubscriptionRecord], str]:
        """A page of a project's subscriptions by name, and the next page's token ("" at the end)."""
        check_project(project)
        names, next_token = page(_under(self.subscriptions, f"{project}/subscriptions/"), size, token)
        return [self.subscriptions[name] for name in names], next_token


def _under(names: Iterable[str], prefix: str) -> list[str]:
    return sorted(name for name in names if name.startswith(prefix))
