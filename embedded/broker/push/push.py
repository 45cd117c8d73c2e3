"""Sends the messages of push subscriptions to their endpoints: 2xx acknowledges, all else gives back."""

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
from embedded.broker.delivery.delivery import Delivered
from embedded.broker.delivery.holder import Holder
from embedded.broker.delivery.registry import SubscriptionRecord
from embedded.broker.push.oidc import TokenSigner
from embedded.broker.refusals import Refusal
from embedded.broker.tasks import spawn

log = get_logger(__name__)

_REFUSED_SECONDS = 0.5
_MAX_IN_FLIGHT = 16
"""Requests of one subscription at once."""
_MAX_THREADS = 32
"""Requests of all subscriptions at once."""
_CONNECT_SECONDS = 5.0
_LEASE_MARGIN_SECONDS = 10.0
"""A lease outlives the request by this, so that its answer always comes before the next attempt."""


class PushSender:
    """One task for each push subscription takes its messages; each request is made on a thread of its own.

    Daemon threads, and no executor: Python waits for an executor's threads at its exit, and an endpoint may
    take minutes to answer.
    """

    def __init__(self, signer: TokenSigner) -> None:
        self._signer = signer
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._turns = asyncio.Semaphore(_MAX_THREADS)
        self._sessions: queue.SimpleQueue[requests.Session] = queue.SimpleQueue()

    def refresh(self, subscription: SubscriptionRecord) -> None:
        """Begin or end pushing, as the subscription's configuration says now."""
        wanted = bool(subscription.config.push_config.push_endpoint)
        running = subscription.id in self._tasks
        if wanted and not running:
            self._tasks[subscription.id] = spawn(self._run(subscription), f"push {subscription.name}")
        elif running and not wanted:
            self.stop(subscription)

    def stop(self, subscription: SubscriptionRecord) -> None:
        """End pushing; requests under way are finished, and count."""
        task = self._tasks.pop(subscription.id, None)
        if task is not None:
            task.cancel()

    def close(self) -> None:
        """End all pushing. Requests under way are abandoned; their messages come again after their leases."""
        for task in self._tasks.values():
            task.cancel()

    async def _run(self, subscription: SubscriptionRecord) -> None:
        delivery = subscription.delivery
        room = asyncio.Event()
        holder = Holder(_MAX_IN_FLIGHT, on_room=room.set)
        sending: set[asyncio.Task[None]] = set()
        while not delivery.closed:
            while not holder.has_room():
                room.clear()
                await room.wait()
            await delivery.wait_ready()
            lease = delivery.policy.ack_deadline + _LEASE_MARGIN_SECONDS
            for delivered in await delivery.take(holder, limit=_MAX_IN_FLIGHT, lease=lease):
                task = spawn(self._deliver(subscription, delivered), "push")
                sending.add(task)
                task.add_done_callback(sending.discard)

    async def _deliver(self, subscription: SubscriptionRecord, delivered: Delivered) -> None:
        async with self._turns:
            accepted = await self._posted(subscription, delivered)
        if not accepted:
            # On top of the retry policy, which may be none: an endpoint that refuses is not hammered.
            await asyncio.sleep(_REFUSED_SECONDS)
        try:
            if accepted:
                await subscription.delivery.acknowledge([delivered.ack_id])
            else:
                subscription.delivery.modify([(delivered.ack_id, 0.0)])
        except Refusal as error:  # the disk; the message comes again after its lease
            log.error("broker.push_not_settled", subscription=subscription.name, error=str(error))

    async def _posted(self, subscription: SubscriptionRecord, delivered: Delivered) -> bool:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[bool] = loop.create_future()

        def post() -> None:
            accepted = self._post(subscription, delivered)
            try:
                loop.call_soon_threadsafe(_settle, answer, accepted)
            except RuntimeError:  # the loop is closed: the broker has stopped
                log.info("broker.push_abandoned", subscription=subscription.name)

        threading.Thread(target=post, name="broker-push", daemon=True).start()
        return await answer

    def _post(self, subscription: SubscriptionRecord, delivered: Delivered) -> bool:
        """On a thread; blocks."""
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
            session.trust_env = False  # a proxy of the environment is for the outside, not for loopback
            return session


def _settle(answer: asyncio.Future[bool], accepted: bool) -> None:
    if not answer.done():
        answer.set_result(accepted)


def envelope(subscription: SubscriptionRecord, delivered: Delivered) -> bytes:
    """The JSON body of a push, with the names in both of the spellings that Google sends."""
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
