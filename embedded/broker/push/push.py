"""Sends the messages of push subscriptions to their endpoints: 2xx acknowledges, other statuses nack."""

from __future__ import annotations

import asyncio
import base64
import json
import queue
import threading
from typing import Any

import requests

from clipping.log import get_logger
from embedded.broker import pb
from embedded.broker.delivery.consumer import Consumer
from embedded.broker.delivery.delivery import Delivered
from embedded.broker.delivery.registry import SubscriptionRecord
from embedded.broker.push.oidc import TokenSigner
from embedded.broker.refusals import Refusal
from embedded.broker.tasks import spawn

log = get_logger(__name__)

_REFUSED_SECONDS = 0.5
_MAX_IN_FLIGHT = 16
"""Maximum concurrent requests of one subscription."""
_MAX_THREADS = 32
"""Maximum concurrent requests of all subscriptions."""
_CONNECT_SECONDS = 5.0
_LEASE_MARGIN_SECONDS = 10.0
"""A lease outlasts its request by this, so that the response always precedes the next attempt."""


class PushSender:
    """Sends pushes. One task per push subscription takes its messages; each request runs on its own thread.

    Uses daemon threads instead of an executor: at exit, Python would wait for an executor's threads, and an
    endpoint can take minutes to respond.
    """

    def __init__(self, signer: TokenSigner) -> None:
        self._signer = signer
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._turns = asyncio.Semaphore(_MAX_THREADS)
        self._sessions: queue.SimpleQueue[requests.Session] = queue.SimpleQueue()

    def refresh(self, subscription: SubscriptionRecord) -> None:
        """Start or stop pushing, according to the subscription's configuration."""
        wanted = bool(subscription.config.push_config.push_endpoint)
        running = subscription.id in self._tasks
        if wanted and not running:
            self._tasks[subscription.id] = spawn(self._run(subscription), f"push {subscription.name}")
        elif running and not wanted:
            self.stop(subscription)

    def stop(self, subscription: SubscriptionRecord) -> None:
        """Stop pushing. Requests in flight are finished, and their results count."""
        task = self._tasks.pop(subscription.id, None)
        if task is not None:
            task.cancel()

    def close(self) -> None:
        """Stop all pushing. Requests in flight are abandoned; their messages are redelivered after their
        leases."""
        for task in self._tasks.values():
            task.cancel()

    async def _run(self, subscription: SubscriptionRecord) -> None:
        delivery = subscription.delivery
        capacity = asyncio.Event()
        consumer = Consumer(_MAX_IN_FLIGHT, on_capacity=capacity.set)
        sending: set[asyncio.Task[None]] = set()
        while not delivery.closed:
            while not consumer.has_capacity():
                capacity.clear()
                await capacity.wait()
            await delivery.wait_ready()
            lease = delivery.policy.ack_deadline + _LEASE_MARGIN_SECONDS
            for delivered in await delivery.take(consumer, limit=_MAX_IN_FLIGHT, lease=lease):
                task = spawn(self._deliver(subscription, delivered), "push")
                sending.add(task)
                task.add_done_callback(sending.discard)

    async def _deliver(self, subscription: SubscriptionRecord, delivered: Delivered) -> None:
        async with self._turns:
            accepted = await self._post_on_thread(subscription, delivered)
        if not accepted:
            # In addition to the retry policy, if any: limits the requests to a failing endpoint.
            await asyncio.sleep(_REFUSED_SECONDS)
        try:
            if accepted:
                await subscription.delivery.acknowledge([delivered.ack_id])
            else:
                subscription.delivery.modify([(delivered.ack_id, 0.0)])
        except Refusal as error:  # disk failure; the message is redelivered after its lease
            log.error("broker.push_not_settled", subscription=subscription.name, error=str(error))

    async def _post_on_thread(self, subscription: SubscriptionRecord, delivered: Delivered) -> bool:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[bool] = loop.create_future()

        def post() -> None:
            accepted = self._post(subscription, delivered)
            try:
                loop.call_soon_threadsafe(_settle, answer, accepted)
            except RuntimeError:  # the loop is closed because the broker has stopped
                log.info("broker.push_abandoned", subscription=subscription.name)

        threading.Thread(target=post, name="broker-push", daemon=True).start()
        return await answer

    def _post(self, subscription: SubscriptionRecord, delivered: Delivered) -> bool:
        """Send the request. Blocks; runs on its own thread."""
        config = subscription.config.push_config
        headers = {"Content-Type": "application/json"}
        if config.HasField("oidc_token"):
            audience = config.oidc_token.audience or config.push_endpoint
            token = self._signer.token(config.oidc_token.service_account_email, audience)
            headers["Authorization"] = f"Bearer {token}"
        session = self._session()
        try:
            with session.post(
                config.push_endpoint,
                data=envelope(subscription, delivered),
                headers=headers,
                timeout=(_CONNECT_SECONDS, subscription.delivery.policy.ack_deadline),
                allow_redirects=False,
                stream=True,
            ) as response:
                accepted = 200 <= response.status_code < 300
                status: int | str = response.status_code
        except requests.RequestException as error:
            accepted, status = False, type(error).__name__
        self._sessions.put(session)
        if not accepted:
            log.info("broker.push_failed", subscription=subscription.name, answer=status)
        return accepted

    def _session(self) -> requests.Session:
        try:
            return self._sessions.get_nowait()
        except queue.Empty:
            session = requests.Session()
            session.trust_env = (
                False  # ignore the environment's proxies, which do not reach loopback addresses
            )
            return session


def _settle(answer: asyncio.Future[bool], accepted: bool) -> None:
    if not answer.done():
        answer.set_result(accepted)


def envelope(subscription: SubscriptionRecord, delivered: Delivered) -> bytes:
    """The JSON body of a push, with the field names in both of Google's spellings."""
    message = pb.PubsubMessage.FromString(delivered.body)
    published = message.publish_time.ToJsonString()
    content: dict[str, Any] = {
        "data": base64.b64encode(message.data).decode(),
        "messageId": message.message_id,
        "message_id": message.message_id,
        "publishTime": published,
        "publish_time": published,
    }
    if message.attributes:
        content["attributes"] = dict(message.attributes)
    if message.ordering_key:
        content["orderingKey"] = message.ordering_key
    body: dict[str, Any] = {"message": content, "subscription": subscription.name}
    if subscription.delivery.policy.dead_letter_topic is not None:
        body["deliveryAttempt"] = delivered.attempt
    return json.dumps(body).encode()
