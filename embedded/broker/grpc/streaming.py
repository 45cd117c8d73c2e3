"""One StreamingPull: sends messages within flow control, and receives acknowledgements."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc

from embedded.broker import pb
from embedded.broker.delivery.consumer import Consumer
from embedded.broker.delivery.received import received
from embedded.broker.delivery.registry import SubscriptionRecord
from embedded.broker.grpc.settings import check_ack_deadline, check_stream_ack_deadline
from embedded.broker.refusals import FailedPrecondition, InvalidArgument, NotFound


class StreamingPull:
    """A stream. It ends when its client closes it, disconnects or sends an invalid request, or when the
    subscription is deleted or detached.

    Its outstanding messages then stay leased until their deadline, as with Google: the client may still be
    processing them and acknowledge them on another stream.
    """

    def __init__(self, subscription: SubscriptionRecord, first: Any, context: Any) -> None:
        check_stream_ack_deadline(first.stream_ack_deadline_seconds)
        self._subscription = subscription
        self._delivery = subscription.delivery
        self._context = context
        self._lease = float(first.stream_ack_deadline_seconds)
        self._capacity = asyncio.Event()
        self._consumer = Consumer(
            first.max_outstanding_messages, first.max_outstanding_bytes, self._capacity.set
        )
        self._first = first

    async def run(self) -> None:
        """Serve the stream until it ends. Raises a Refusal on an error."""
        await self._settle(self._first)
        sender = asyncio.create_task(self._send())
        receiver = asyncio.create_task(self._receive())
        try:
            done, _ = await asyncio.wait((sender, receiver), return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _end(sender, receiver)
        for task in done:
            task.result()

    async def _receive(self) -> None:
        while True:
            request = await self._context.read()
            if request is grpc.aio.EOF:
                return
            if request.subscription:
                raise InvalidArgument("Only a stream's first request may name a subscription.")
            if request.stream_ack_deadline_seconds:
                check_stream_ack_deadline(request.stream_ack_deadline_seconds)
                self._lease = float(request.stream_ack_deadline_seconds)
            await self._settle(request)

    async def _settle(self, request: Any) -> None:
        if request.modify_deadline_ack_ids or request.modify_deadline_seconds:
            if len(request.modify_deadline_ack_ids) != len(request.modify_deadline_seconds):
                raise InvalidArgument("modify_deadline_ack_ids and modify_deadline_seconds differ in length.")
            for seconds in request.modify_deadline_seconds:
                check_ack_deadline(seconds)
            pairs = zip(request.modify_deadline_ack_ids, request.modify_deadline_seconds, strict=True)
            self._delivery.modify([(text, float(seconds)) for text, seconds in pairs])
        if request.ack_ids:
            await self._delivery.acknowledge(request.ack_ids)

    async def _send(self) -> None:
        # The first response has the subscription's properties and no messages.
        await self._context.write(self._response([]))
        while True:
            while not self._consumer.has_capacity():
                self._capacity.clear()
                await self._capacity.wait()
            await self._delivery.wait_ready()
            self._check_alive()
            delivered = await self._delivery.take(self._consumer, lease=self._lease)
            if delivered:
                await self._context.write(self._response(received(self._subscription, delivered)))

    def _response(self, messages: list[Any]) -> Any:
        # Sending the properties makes the client treat both features as disabled.
        return pb.StreamingPullResponse(
            received_messages=messages,
            subscription_properties={
                "exactly_once_delivery_enabled": False,
                "message_ordering_enabled": False,
            },
        )

    def _check_alive(self) -> None:
        if self._subscription.config.detached:
            raise FailedPrecondition(f"Subscription is detached (resource={self._subscription.name}).")
        if self._delivery.closed:
            raise NotFound(f"Subscription does not exist (resource={self._subscription.name}).")


async def _end(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
