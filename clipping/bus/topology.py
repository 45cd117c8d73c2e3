"""The topics and subscriptions that a configuration asks for. Pure: `provision.py` makes them so.

`clipping-requests` has a subscription for each lane, told apart by a filter on the attribute `lane`, so that
a viewer's clip never waits behind a night's re-encodes.
"""

from __future__ import annotations

from dataclasses import dataclass

from clipping.config import Config, PubSub
from clipping.contract.messages import Lane

PUSH_PATH = "/v1/internal/pubsub"
_WEEK = 7 * 24 * 3600
_PROGRESS_RETENTION = 600
"""Seconds; the shortest that Pub/Sub allows. Yesterday's progress is of no use to anybody."""


@dataclass(frozen=True)
class PushTarget:
    """Where Pub/Sub posts messages to, and as whom."""

    endpoint: str
    audience: str
    service_account: str


@dataclass(frozen=True)
class SubscriptionSpec:
    """One subscription. It never expires. All durations in seconds."""

    name: str
    topic: str
    retry_min_seconds: float
    retry_max_seconds: float
    ack_deadline_seconds: int
    filter: str = ""
    retention_seconds: int = _WEEK
    dead_letter_topic: str | None = None
    max_delivery_attempts: int = 0
    """With a dead-letter topic only."""
    push: PushTarget | None = None
    """None: it is pulled."""


@dataclass(frozen=True)
class Topology:
    """Everything that has to exist."""

    topics: tuple[str, ...]
    subscriptions: tuple[SubscriptionSpec, ...]


def topology(config: Config) -> Topology:
    """What `config` asks for."""
    bus = config.pubsub
    push = None
    if config.api.push is not None:
        push = PushTarget(
            endpoint=config.api.public_url.rstrip("/") + PUSH_PATH,
            audience=config.api.push.audience,
            service_account=config.api.push.service_account,
        )
    prefix = bus.api_subscription_prefix
    return Topology(
        topics=(bus.requests_topic, bus.complete_topic, bus.progress_topic, bus.dead_letter_topic),
        subscriptions=(
            _lane(bus, bus.worker_subscription, "interactive"),
            _lane(bus, bus.batch_subscription, "batch"),
            _api(bus, f"{prefix}-complete", bus.complete_topic, push),
            _api(bus, f"{prefix}-progress", bus.progress_topic, push, retention_seconds=_PROGRESS_RETENTION),
            _api(bus, f"{prefix}-dead-letter", bus.dead_letter_topic, push),
        ),
    )


def _lane(bus: PubSub, name: str, lane: Lane) -> SubscriptionSpec:
    return SubscriptionSpec(
        name=name,
        topic=bus.requests_topic,
        filter=f'attributes.lane = "{lane}"',
        ack_deadline_seconds=bus.lease_seconds,
        retry_min_seconds=bus.retry_min_seconds,
        retry_max_seconds=bus.retry_max_seconds,
        dead_letter_topic=bus.dead_letter_topic,
        max_delivery_attempts=bus.max_delivery_attempts,
    )


def _api(
    bus: PubSub, name: str, topic: str, push: PushTarget | None, *, retention_seconds: int = _WEEK
) -> SubscriptionSpec:
    # No dead letter here: what the API can't read it stores aside and acknowledges.
    return SubscriptionSpec(
        name=name,
        topic=topic,
        ack_deadline_seconds=bus.lease_seconds,
        retry_min_seconds=bus.retry_min_seconds,
        retry_max_seconds=bus.retry_max_seconds,
        retention_seconds=retention_seconds,
        push=push,
    )
