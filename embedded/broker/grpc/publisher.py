"""google.pubsub.v1.Publisher."""

from __future__ import annotations

from typing import Any

import grpc

from embedded.broker import pb
from embedded.broker.delivery.exchange import Exchange, check_messages
from embedded.broker.delivery.registry import Registry, TopicRecord
from embedded.broker.grpc.rpc import empty, unary, unimplemented
from embedded.broker.grpc.settings import complete_topic, updated_topic
from embedded.broker.grpc.subscriptions import Subscriptions
from embedded.broker.names import DELETED_TOPIC, check_topic
from embedded.broker.paging import page
from embedded.broker.refusals import AlreadyExists
from embedded.broker.storage.storage import Storage


class Publisher:
    """The Publisher service: topics, and publishing to them."""

    def __init__(
        self, registry: Registry, storage: Storage, exchange: Exchange, subscriptions: Subscriptions
    ) -> None:
        self._registry = registry
        self._storage = storage
        self._exchange = exchange
        self._subscriptions = subscriptions

    def handler(self) -> grpc.GenericRpcHandler:
        """The handler to add to a server."""
        return grpc.method_handlers_generic_handler(
            "google.pubsub.v1.Publisher",
            {
                "CreateTopic": unary(self.create_topic, pb.Topic),
                "UpdateTopic": unary(self.update_topic, pb.UpdateTopicRequest),
                "Publish": unary(self.publish, pb.PublishRequest),
                "GetTopic": unary(self.get_topic, pb.GetTopicRequest),
                "ListTopics": unary(self.list_topics, pb.ListTopicsRequest),
                "ListTopicSubscriptions": unary(self.list_subscriptions, pb.ListTopicSubscriptionsRequest),
                "ListTopicSnapshots": unimplemented("Snapshots", pb.ListTopicSnapshotsRequest),
                "DeleteTopic": unary(self.delete_topic, pb.DeleteTopicRequest),
                "DetachSubscription": unary(self.detach_subscription, pb.DetachSubscriptionRequest),
            },
        )

    async def publish(self, request: Any, _context: Any) -> Any:
        topic = self._registry.topic(request.topic)
        check_messages(request.messages)
        ids = await self._exchange.publish(topic, request.messages)
        return pb.PublishResponse(message_ids=ids)

    async def create_topic(self, request: Any, _context: Any) -> Any:
        check_topic(request.name)
        config = complete_topic(request)
        async with self._registry.changing:
            if config.name in self._registry.topics:
                raise AlreadyExists(f"Topic already exists (resource={config.name}).")
            number = await self._storage.add_topic(config.name, config.SerializeToString())
            self._registry.topics[config.name] = TopicRecord(number, config)
        return config

    async def update_topic(self, request: Any, _context: Any) -> Any:
        async with self._registry.changing:
            topic = self._registry.topic(request.topic.name)
            config = updated_topic(topic.config, request.topic, request.update_mask.paths)
            await self._storage.set_topic(topic.id, config.SerializeToString())
            topic.config = config
        return config

    async def get_topic(self, request: Any, _context: Any) -> Any:
        return self._registry.topic(request.topic).config

    async def list_topics(self, request: Any, _context: Any) -> Any:
        topics, token = self._registry.list_topics(request.project, request.page_size, request.page_token)
        return pb.ListTopicsResponse(topics=[topic.config for topic in topics], next_page_token=token)

    async def list_subscriptions(self, request: Any, _context: Any) -> Any:
        topic = self._registry.topic(request.topic)
        names, token = page(sorted(topic.subscriptions), request.page_size, request.page_token)
        return pb.ListTopicSubscriptionsResponse(subscriptions=names, next_page_token=token)

    async def delete_topic(self, request: Any, _context: Any) -> Any:
        """Delete a topic. Its subscriptions and their undelivered messages stay."""
        async with self._registry.changing:
            topic = self._registry.topic(request.topic)
            left = list(topic.subscriptions.values())
            for subscription in left:
                subscription.config.topic = DELETED_TOPIC
            await self._storage.delete_topic(
                topic.id,
                [(subscription.id, subscription.config.SerializeToString()) for subscription in left],
            )
            del self._registry.topics[topic.name]
            topic.subscriptions.clear()
            for subscription in left:
                subscription.topic = None
        return empty()

    async def detach_subscription(self, request: Any, _context: Any) -> Any:
        await self._subscriptions.detach(request.subscription)
        return pb.DetachSubscriptionResponse()
