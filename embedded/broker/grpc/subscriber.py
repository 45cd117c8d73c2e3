"""google.pubsub.v1.Subscriber."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc

from embedded.broker import pb
from embedded.broker.delivery.consumer import Consumer
from embedded.broker.delivery.delivery import MAX_BATCH_MESSAGES, Delivered
from embedded.broker.delivery.received import received
from embedded.broker.delivery.registry import Registry, SubscriptionRecord
from embedded.broker.grpc.rpc import empty, stream, unary, unimplemented
from embedded.broker.grpc.settings import check_ack_deadline
from embedded.broker.grpc.streaming import StreamingPull
from embedded.broker.grpc.subscriptions import Subscriptions
from embedded.broker.refusals import FailedPrecondition, InvalidArgument, NotFound, Unimplemented

_MAX_PULL_WAIT_SECONDS = 60.0
"""A pull on an empty subscription returns an empty response after this time."""
_PULL_WAIT_SHARE = 0.9
"""... or after this share of the caller's deadline, so that the response arrives in time."""


class Subscriber:
    """The Subscriber service: subscriptions, and receiving messages from them."""

    def __init__(self, registry: Registry, subscriptions: Subscriptions) -> None:
        self._registry = registry
        self._subscriptions = subscriptions

    def handler(self) -> grpc.GenericRpcHandler:
        """The handler to add to a server."""
        return grpc.method_handlers_generic_handler(
            "google.pubsub.v1.Subscriber",
            {
                "CreateSubscription": unary(self.create_subscription, pb.Subscription),
                "GetSubscription": unary(self.get_subscription, pb.GetSubscriptionRequest),
                "UpdateSubscription": unary(self.update_subscription, pb.UpdateSubscriptionRequest),
                "ListSubscriptions": unary(self.list_subscriptions, pb.ListSubscriptionsRequest),
                "DeleteSubscription": unary(self.delete_subscription, pb.DeleteSubscriptionRequest),
                "ModifyAckDeadline": unary(self.modify_ack_deadline, pb.ModifyAckDeadlineRequest),
                "Acknowledge": unary(self.acknowledge, pb.AcknowledgeRequest),
                "Pull": unary(self.pull, pb.PullRequest),
                "StreamingPull": stream(self.streaming_pull, pb.StreamingPullRequest),
                "ModifyPushConfig": unary(self.modify_push_config, pb.ModifyPushConfigRequest),
                "Seek": unary(self.seek, pb.SeekRequest),
                "GetSnapshot": unimplemented("Snapshots", pb.GetSnapshotRequest),
                "ListSnapshots": unimplemented("Snapshots", pb.ListSnapshotsRequest),
                "CreateSnapshot": unimplemented("Snapshots", pb.CreateSnapshotRequest),
                "UpdateSnapshot": unimplemented("Snapshots", pb.UpdateSnapshotRequest),
                "DeleteSnapshot": unimplemented("Snapshots", pb.DeleteSnapshotRequest),
            },
        )

    async def create_subscription(self, request: Any, _context: Any) -> Any:
        return await self._subscriptions.create(request)

    async def get_subscription(self, request: Any, _context: Any) -> Any:
        return self._registry.subscription(request.subscription).config

    async def update_subscription(self, request: Any, _context: Any) -> Any:
        return await self._subscriptions.update(request.subscription, request.update_mask.paths)

    async def list_subscriptions(self, request: Any, _context: Any) -> Any:
        found, token = self._registry.list_subscriptions(
            request.project, request.page_size, request.page_token
        )
        return pb.ListSubscriptionsResponse(
            subscriptions=[subscription.config for subscription in found], next_page_token=token
        )

    async def delete_subscription(self, request: Any, _context: Any) -> Any:
        await self._subscriptions.delete(request.subscription)
        return empty()

    async def modify_push_config(self, request: Any, _context: Any) -> Any:
        await self._subscriptions.modify_push(request.subscription, request.push_config)
        return empty()

    async def acknowledge(self, request: Any, _context: Any) -> Any:
        subscription = self._subscriptions.attached(request.subscription)
        if not request.ack_ids:
            raise InvalidArgument("No ack ids specified.")
        await subscription.delivery.acknowledge(request.ack_ids)
        return empty()

    async def modify_ack_deadline(self, request: Any, _context: Any) -> Any:
        subscription = self._subscriptions.attached(request.subscription)
        if not request.ack_ids:
            raise InvalidArgument("No ack ids specified.")
        check_ack_deadline(request.ack_deadline_seconds)
        lease = float(request.ack_deadline_seconds)
        subscription.delivery.modify([(text, lease) for text in request.ack_ids])
        return empty()

    async def seek(self, request: Any, _context: Any) -> Any:
        subscription = self._subscriptions.attached(request.subscription)
        if request.WhichOneof("target") == "snapshot":
            raise Unimplemented("Snapshots are not supported by the embedded broker.")
        if request.WhichOneof("target") is None:
            raise InvalidArgument("No seek target specified.")
        await subscription.delivery.seek(max(request.time.ToMicroseconds(), 0))
        return pb.SeekResponse()

    async def pull(self, request: Any, context: Any) -> Any:
        subscription = self._pullable(request.subscription)
        if request.max_messages <= 0:
            raise InvalidArgument("max_messages must be positive.")
        limit = min(request.max_messages, MAX_BATCH_MESSAGES)
        delivered = await subscription.delivery.take(Consumer(limit), limit=limit)
        if not delivered and not request.return_immediately:
            try:
                async with asyncio.timeout(_pull_wait(context)):
                    delivered = await self._wait_for_messages(subscription, limit)
            except TimeoutError:
                pass
        return pb.PullResponse(received_messages=received(subscription, delivered))

    async def streaming_pull(self, context: Any) -> None:
        first = await context.read()
        if first is grpc.aio.EOF:
            raise InvalidArgument("A stream must begin with a request that names a subscription.")
        subscription = self._pullable(first.subscription)
        await StreamingPull(subscription, first, context).run()

    def _pullable(self, name: str) -> SubscriptionRecord:
        subscription = self._subscriptions.attached(name)
        if subscription.config.push_config.push_endpoint:
            raise FailedPrecondition(
                f"This method is not supported for push subscriptions (resource={name})."
            )
        return subscription

    async def _wait_for_messages(self, subscription: SubscriptionRecord, limit: int) -> list[Delivered]:
        delivered: list[Delivered] = []
        while not delivered:
            await subscription.delivery.wait_ready()
            if subscription.delivery.closed:
                raise NotFound(f"Subscription does not exist (resource={subscription.name}).")
            delivered = await subscription.delivery.take(Consumer(limit), limit=limit)
        return delivered


def _pull_wait(context: Any) -> float:
    remaining = context.time_remaining()
    if remaining is None:
        return _MAX_PULL_WAIT_SECONDS
    return min(float(remaining) * _PULL_WAIT_SHARE, _MAX_PULL_WAIT_SECONDS)
