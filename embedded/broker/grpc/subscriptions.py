"""Creates, updates and deletes subscriptions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from clipping.clock import Clock
from embedded.broker import pb
from embedded.broker.delivery.backlog import Entry
from embedded.broker.delivery.delivery import Delivery
from embedded.broker.delivery.exchange import Exchange
from embedded.broker.delivery.policy import policy_of
from embedded.broker.delivery.registry import Registry, SubscriptionRecord, TopicRecord
from embedded.broker.grpc.settings import (
    check_push_config,
    complete_subscription,
    filter_of,
    updated_subscription,
)
from embedded.broker.names import check_subscription
from embedded.broker.refusals import AlreadyExists, FailedPrecondition, NotFound
from embedded.broker.storage.storage import Storage


class Pushes(Protocol):
    """The sender for push subscriptions."""

    def refresh(self, subscription: SubscriptionRecord) -> None:
        """Apply the configuration of a new or updated subscription."""
        ...

    def stop(self, subscription: SubscriptionRecord) -> None:
        """Stop pushing to a deleted or detached subscription."""
        ...


class Subscriptions:
    """The lifecycle of subscriptions, on disk and in the registry."""

    def __init__(
        self, registry: Registry, storage: Storage, exchange: Exchange, clock: Clock, pushes: Pushes
    ) -> None:
        self._registry = registry
        self._storage = storage
        self._exchange = exchange
        self._clock = clock
        self._pushes = pushes

    def restore(self) -> None:
        """Load the registry from the disk. Blocks. Call once, before serving."""
        topics: dict[int, TopicRecord] = {}
        for row in self._storage.all_topics():
            topic = TopicRecord(row.id, pb.Topic.FromString(row.config))
            topics[row.id] = self._registry.topics[topic.name] = topic
        for stored in self._storage.all_subscriptions():
            config = pb.Subscription.FromString(stored.config)
            self._add(stored.id, config, topics.get(stored.topic or 0))

    async def create(self, request: Any) -> Any:
        """Create a subscription from a google.pubsub.v1.Subscription. Returns its configuration with
        defaults."""
        check_subscription(request.name)
        config = complete_subscription(request)
        filter_of(config)
        async with self._registry.changing:
            if config.name in self._registry.subscriptions:
                raise AlreadyExists(f"Subscription already exists (resource={config.name}).")
            topic = self._registry.topic(config.topic)
            self._check_dead_letter_topic(config)
            number = await self._storage.add_subscription(config.name, topic.id, config.SerializeToString())
            self._add(number, config, topic)
        return config

    async def update(self, changes: Any, paths: Sequence[str]) -> Any:
        """Update the fields in an update mask. Returns the new configuration."""
        async with self._registry.changing:
            subscription = self._registry.subscription(changes.name)
            config = updated_subscription(subscription.config, changes, paths)
            config.detached = subscription.config.detached
            if "dead_letter_policy" in paths:
                self._check_dead_letter_topic(config)
            await self._set(subscription, config)
        return config

    async def modify_push(self, name: str, push_config: Any) -> None:
        """Turn it into a push subscription or, with an empty configuration, into a pull subscription."""
        check_push_config(push_config)
        async with self._registry.changing:
            subscription = self._registry.subscription(name)
            config = pb.Subscription()
            config.CopyFrom(subscription.config)
            config.push_config.CopyFrom(push_config)
            await self._set(subscription, config)

    async def delete(self, name: str) -> None:
        """Delete it and its backlog, and end its streams."""
        async with self._registry.changing:
            subscription = self._registry.subscription(name)
            del self._registry.subscriptions[name]
            self._disconnect(subscription)
            await self._storage.delete_subscription(subscription.id)

    async def detach(self, name: str) -> None:
        """Drop its backlog and stop it from receiving messages."""
        async with self._registry.changing:
            subscription = self._registry.subscription(name)
            if subscription.config.detached:
                return
            subscription.config.detached = True
            self._disconnect(subscription)
            await self._storage.detach_subscription(subscription.id, subscription.config.SerializeToString())

    def attached(self, name: str) -> SubscriptionRecord:
        """The subscription of that name. Raises FailedPrecondition if it is detached."""
        subscription = self._registry.subscription(name)
        if subscription.config.detached:
            raise FailedPrecondition(f"Subscription is detached (resource={name}).")
        return subscription

    def _add(self, number: int, config: Any, topic: TopicRecord | None) -> None:
        async def forward(entry: Entry, body: bytes) -> bool:
            return await self._exchange.forward(record, entry.seq, entry.attempts, body)

        delivery = Delivery(
            number,
            policy_of(config),
            storage=self._storage,
            clock=self._clock,
            forward=forward,
            stored_up_to=self._exchange.last_seq,
        )
        record = SubscriptionRecord(number, config, topic, delivery, filter_of(config))
        self._registry.subscriptions[record.name] = record
        if config.detached:
            delivery.close()
            return
        if topic is not None:
            topic.subscriptions[record.name] = record
        self._pushes.refresh(record)

    async def _set(self, subscription: SubscriptionRecord, config: Any) -> None:
        await self._storage.set_subscription(subscription.id, config.SerializeToString())
        if subscription.config.retain_acked_messages and not config.retain_acked_messages:
            await self._storage.forget_acknowledged(subscription.id)
        subscription.config = config
        subscription.delivery.policy = policy_of(config)
        if not config.detached:
            self._pushes.refresh(subscription)

    def _disconnect(self, subscription: SubscriptionRecord) -> None:
        if subscription.topic is not None:
            del subscription.topic.subscriptions[subscription.name]
            subscription.topic = None
        self._pushes.stop(subscription)
        subscription.delivery.close()

    def _check_dead_letter_topic(self, config: Any) -> None:
        if config.HasField("dead_letter_policy"):
            name = config.dead_letter_policy.dead_letter_topic
            if name not in self._registry.topics:
                raise NotFound(f"Dead letter topic not found (resource={name}).")
