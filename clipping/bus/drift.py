"""Differences between an existing subscription and the desired one. Pure, over Pub/Sub's message types."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from google.pubsub_v1.types import (
    DeadLetterPolicy,
    ExpirationPolicy,
    PushConfig,
    RetryPolicy,
    Subscription,
)

from clipping.bus.topology import SubscriptionSpec


@dataclass(frozen=True)
class Difference:
    """A field that an update can change, by its name in an update mask."""

    field: str
    found: str
    wanted: str

    def __str__(self) -> str:
        return f"{self.field} {self.found} -> {self.wanted}"


def wanted(project: str, spec: SubscriptionSpec) -> Subscription:
    """The subscription of a spec, as a Pub/Sub message."""
    subscription = Subscription(
        name=f"projects/{project}/subscriptions/{spec.name}",
        topic=f"projects/{project}/topics/{spec.topic}",
        filter=spec.filter,
        ack_deadline_seconds=spec.ack_deadline_seconds,
        message_retention_duration=timedelta(seconds=spec.retention_seconds),
        expiration_policy=ExpirationPolicy(),  # without a time to live: never
        retry_policy=RetryPolicy(
            minimum_backoff=timedelta(seconds=spec.retry_min_seconds),
            maximum_backoff=timedelta(seconds=spec.retry_max_seconds),
        ),
    )
    if spec.dead_letter_topic is not None:
        subscription.dead_letter_policy = DeadLetterPolicy(
            dead_letter_topic=f"projects/{project}/topics/{spec.dead_letter_topic}",
            max_delivery_attempts=spec.max_delivery_attempts,
        )
    if spec.push is not None:
        subscription.push_config = PushConfig(
            push_endpoint=spec.push.endpoint,
            oidc_token=PushConfig.OidcToken(
                service_account_email=spec.push.service_account, audience=spec.push.audience
            ),
        )
    return subscription


def drift(desired: Subscription, found: Subscription) -> list[Difference]:
    """The fields that an update has to change."""
    pairs = [(field, describe(found), describe(desired)) for field, describe in _DESCRIPTIONS.items()]
    return [Difference(field, there, here) for field, there, here in pairs if there != here]


def unmendable(desired: Subscription, found: Subscription) -> list[str]:
    """The differences that no update can change: one sentence each, with the fix."""
    name = desired.name.rpartition("/")[2]
    remedy = (
        f"Pub/Sub can't change that. Let its backlog drain, delete it "
        f"(`gcloud pubsub subscriptions delete {name}`) and provision again"
    )
    problems = []
    if found.topic != desired.topic:
        problems.append(f"subscription {name} belongs to {found.topic}, not {desired.topic}. {remedy}.")
    if found.filter != desired.filter:
        problems.append(
            f"subscription {name} has the filter '{found.filter}', not '{desired.filter}'. {remedy}."
        )
    return problems


def _retry(subscription: Subscription) -> str:
    if "retry_policy" not in subscription:
        return "none"
    policy = subscription.retry_policy
    return f"{policy.minimum_backoff.total_seconds():g}..{policy.maximum_backoff.total_seconds():g} s"


def _dead_letter(subscription: Subscription) -> str:
    policy = subscription.dead_letter_policy
    if not policy.dead_letter_topic:
        return "none"
    return f"{policy.dead_letter_topic.rpartition('/')[2]} after {policy.max_delivery_attempts}"


def _push(subscription: Subscription) -> str:
    push = subscription.push_config
    if not push.push_endpoint:
        return "pull"
    token = push.oidc_token
    return f"{push.push_endpoint} as {token.service_account_email} for {token.audience}"


_DESCRIPTIONS: dict[str, Callable[[Subscription], str]] = {
    "ack_deadline_seconds": lambda s: f"{s.ack_deadline_seconds} s",
    "message_retention_duration": lambda s: f"{s.message_retention_duration.total_seconds():g} s",
    "expiration_policy": lambda s: f"{s.expiration_policy.ttl}" if "ttl" in s.expiration_policy else "never",
    "retry_policy": _retry,
    "dead_letter_policy": _dead_letter,
    "push_config": _push,
}
