"""Publishing: assigns ids and times to messages, and stores and offers them to matching subscriptions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clipping.clock import Clock
from embedded.broker import pb
from embedded.broker.delivery.registry import Registry, SubscriptionRecord, TopicRecord
from embedded.broker.names import project_id
from embedded.broker.refusals import InvalidArgument
from embedded.broker.storage.storage import Storage

MAX_MESSAGES = 1000
MAX_BYTES = 10_000_000
"""Limit of one message and of one request. This and the limits below are Google's."""
_MAX_ATTRIBUTES = 100
_MAX_KEY_BYTES = 256
_MAX_VALUE_BYTES = 1024
_MAX_ORDERING_KEY_BYTES = 1024


class Exchange:
    """Publishes messages. Used on the loop's thread only: seqs are assigned and submitted to the store in one
    step, so that they are committed in order."""

    def __init__(self, registry: Registry, storage: Storage, clock: Clock) -> None:
        self._registry = registry
        self._storage = storage
        self._clock = clock
        self._last = storage.high_water()

    @property
    def last_seq(self) -> int:
        """The highest assigned seq."""
        return self._last

    async def publish(self, topic: TopicRecord, messages: Sequence[Any]) -> list[str]:
        """Store and offer PubsubMessages, which are modified. Returns their ids once they are on disk."""
        rows = [self._stamp(message) for message in messages]
        matched = _matches(topic, messages, rows)
        await self._storage.publish(
            rows, [(seq, subscription.id) for subscription, taken in matched for seq, _ in taken]
        )
        _offer(matched)
        return [str(seq) for seq, _ in rows]

    async def forward(self, source: SubscriptionRecord, seq: int, attempts: int, body: bytes) -> bool:
        """Move a dead letter to its subscription's dead letter topic. False if that topic is missing."""
        topic = self._registry.topics.get(source.delivery.policy.dead_letter_topic or "")
        if topic is None:
            return False
        message = pb.PubsubMessage.FromString(body)
        attributes = message.attributes
        attributes["CloudPubSubDeadLetterSourceDeliveryCount"] = str(attempts)
        attributes["CloudPubSubDeadLetterSourceSubscription"] = source.name.rsplit("/", 1)[1]
        attributes["CloudPubSubDeadLetterSourceSubscriptionProject"] = project_id(source.name)
        attributes["CloudPubSubDeadLetterSourceTopicPublishTime"] = message.publish_time.ToJsonString()
        row = self._stamp(message)
        matched = _matches(topic, [message], [row])
        deliveries = [(row[0], subscription.id) for subscription, taken in matched if taken]
        await self._storage.forward(row, deliveries, (source.id, seq))
        _offer(matched)
        return True

    def _stamp(self, message: Any) -> tuple[int, bytes]:
        now = int(self._clock.now().timestamp() * 1e6)
        seq = self._last = max(self._last + 1, now)
        message.message_id = str(seq)
        message.publish_time.FromMicroseconds(seq)
        return seq, message.SerializeToString()


def check_messages(messages: Sequence[Any]) -> None:
    """Validate messages by Google's rules. Raises InvalidArgument."""
    if not 1 <= len(messages) <= MAX_MESSAGES:
        raise InvalidArgument(f"A publish request must have 1 to {MAX_MESSAGES} messages.")
    total = 0
    for message in messages:
        if not message.data and not message.attributes:
            raise InvalidArgument("One or more messages is empty: each needs data or an attribute.")
        total += message.ByteSize()
        if total > MAX_BYTES:
            raise InvalidArgument(f"The request is larger than {MAX_BYTES} bytes.")
        if message.attributes:
            _check_attributes(message.attributes)
        if len(message.ordering_key.encode()) > _MAX_ORDERING_KEY_BYTES:
            raise InvalidArgument(f"The ordering_key is longer than {_MAX_ORDERING_KEY_BYTES} bytes.")


def _check_attributes(attributes: Any) -> None:
    if len(attributes) > _MAX_ATTRIBUTES:
        raise InvalidArgument(f"A message has more than {_MAX_ATTRIBUTES} attributes.")
    for key, value in attributes.items():
        if not key or key.startswith("goog"):
            raise InvalidArgument(f'Invalid attribute key {key!r}: empty, or starts with "goog".')
        if len(key.encode()) > _MAX_KEY_BYTES:
            raise InvalidArgument(f"An attribute's key is longer than {_MAX_KEY_BYTES} bytes.")
        if len(value.encode()) > _MAX_VALUE_BYTES:
            raise InvalidArgument(f"The value of attribute {key!r} is longer than {_MAX_VALUE_BYTES} bytes.")


_Matched = list[tuple[SubscriptionRecord, list[tuple[int, bytes]]]]


def _matches(topic: TopicRecord, messages: Sequence[Any], rows: list[tuple[int, bytes]]) -> _Matched:
    matched: _Matched = []
    for subscription in topic.subscriptions.values():
        matches = subscription.matches
        taken = (
            rows
            if matches is None
            else [row for message, row in zip(messages, rows, strict=True) if matches(message.attributes)]
        )
        matched.append((subscription, taken))
    return matched


def _offer(matched: _Matched) -> None:
    for subscription, taken in matched:
        for seq, body in taken:
            subscription.delivery.offer(seq, body)
        subscription.delivery.react()
