"""The topics and subscriptions that a configuration needs. Pure: `provision.py` creates them.

`clipping-requests` has a subscription for each lane, with a filter on the attribute `lane`, so that an
interactive clip never waits behind a batch of re-encodes.
"""

from __future__ import annotations

from dataclasses import dataclass

from clipping.config import Config, PubSub
from clipping.contract.messages import Lane

PUSH_PATH = "/v1/internal/pubsub"
_WEEK = 7 * 24 * 3600
_PROGRESS_RETENTION = 600
"""Seconds; the minimum that Pub/Sub allows. Old progress messages have no use."""


@dataclass(frozen=True)
class PushTarget:
    """The endpoint that Pub/Sub posts messages to, and the service account it authenticates as."""

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
    """All topics and subscriptions of the service."""

    topics: tuple[str, ...]
    subscriptions: tuple[SubscriptionSpec, ...]


def topology(config: Config) -> Topology:
    """The topology that `config` needs."""
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
    # Without dead lettering: the API stores messages that it can't read separately and acknowledges them.
    return SubscriptionSpec(
        name=name,
        topic=topic,
        ack_deadline_seconds=bus.lease_seconds,
        retry_min_seconds=bus.retry_min_seconds,
        retry_max_seconds=bus.retry_max_seconds,
        retention_seconds=retention_seconds,
        push=push,
    )
