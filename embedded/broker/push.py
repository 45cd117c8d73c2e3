"""Sends the messages of push subscriptions to their endpoints: 2xx acknowledges, all else gives back."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests

from clipping.log import get_logger
from embedded.broker import pb
from embedded.broker.delivery import Delivered
from embedded.broker.holder import Holder
from embedded.broker.oidc import TokenSigner
from embedded.broker.refusals import Refusal
from embedded.broker.registry import SubscriptionRecord

log = get_logger(__name__)

_MAX_IN_FLIGHT = 16
"""Requests of one subscription at once."""
_THREADS = 32
"""Requests of all subscriptions at once."""
_CONNECT_SECONDS = 5.0
_LEASE_MARGIN_SECONDS = 10.0
"""A lease outlives the request by this, so that its answer always comes before the next attempt."""


class PushSender:
    """One task for each push subscription takes its messages; a pool of threads posts them."""

    def __init__(self, signer: TokenSigner) -> None:
        self._signer = signer
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="broker-push")
        self._sessions = threading.local()

    def refresh(self, subscription: SubscriptionRecord) -> None:
        """Begin or end pushing, as the subscription's configuration says now."""
        wanted = bool(subscription.config.push_config.push_endpoint)
        running = subscription.id in self._tasks
        if wanted and not running:
            name = f"push {subscription.name}"
            self._tasks[subscription.id] = asyncio.create_task(self._run(subscription), name=name)
        elif running and not wanted:
            self.stop(subscription)

    def stop(self, subscription: SubscriptionRecord) -> None:
        """End pushing; requests under way are finished, and count."""
        task = self._tasks.pop(subscription.id, None)
        if task is not None:
            task.cancel()

    def close(self) -> None:
        """End all pushing. Requests under way are left to their timeouts."""
        for task in self._tasks.values():
            task.cancel()
        self._pool.shutdown(wait=False, cancel_futures=True)

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
                task = asyncio.create_task(self._deliver(subscription, delivered))
                sending.add(task)
                task.add_done_callback(sending.discard)

    async def _deliver(self, subscription: SubscriptionRecord, delivered: Delivered) -> None:
        loop = asyncio.get_running_loop()
        accepted = await loop.run_in_executor(self._pool, self._post, subscription, delivered)
        try:
            if accepted:
                await subscription.delivery.acknowledge([delivered.ack_id])
            else:
                subscription.delivery.modify([(delivered.ack_id, 0.0)])
        except Refusal as error:  # the disk; the message comes again after its lease
            log.error("broker.push_not_settled", subscription=subscription.name, error=str(error))

    def _post(self, subscription: SubscriptionRecord, delivered: Delivered) -> bool:
        """On a thread of the pool."""
        config = subscription.config.push_config
        headers = {"Content-Type": "application/json"}
        if config.HasField("oidc_token"):
            audience = config.oidc_token.audience or config.push_endpoint
            token = self._signer.token(config.oidc_token.service_account_email, audience)
            headers["Authorization"] = f"Bearer {token}"
        try:
            with self._session().post(
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
        if not accepted:
            log.info("broker.push_failed", subscription=subscription.name, answer=status)
        return accepted

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._sessions, "session", None)
        if session is None:
            session = requests.Session()
            session.trust_env = False  # a proxy of the environment is for the outside, not for loopback
            self._sessions.session = session
        return session


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
