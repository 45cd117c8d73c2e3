"""Builds the messages of pull responses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from embedded.broker import pb
from embedded.broker.delivery.delivery import Delivered
from embedded.broker.delivery.registry import SubscriptionRecord


def received(subscription: SubscriptionRecord, delivered: Sequence[Delivered]) -> list[Any]:
    """ReceivedMessages. The delivery attempt is set only with a dead letter policy."""
    parse = pb.PubsubMessage.FromString
    if subscription.delivery.policy.dead_letter_topic is None:
        return [pb.ReceivedMessage(ack_id=d.ack_id, message=parse(d.body)) for d in delivered]
    return [
        pb.ReceivedMessage(ack_id=d.ack_id, message=parse(d.body), delivery_attempt=d.attempt)
        for d in delivered
    ]
