"""The delivery policy of a subscription's configuration. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from clipping.bus.backoff import redelivery_seconds

DEFAULT_RETENTION_SECONDS = 7 * 86400
DEFAULT_MIN_BACKOFF_SECONDS = 10.0
DEFAULT_MAX_BACKOFF_SECONDS = 600.0
DEFAULT_MAX_DELIVERY_ATTEMPTS = 5

_PUSH_MIN_BACKOFF_SECONDS = 0.1
_PUSH_MAX_BACKOFF_SECONDS = 60.0
"""Backoff range of a push subscription without a retry policy, as documented by Google."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How messages are leased, retried, forwarded as dead letters and retained. Times in seconds."""

    ack_deadline: float = 10.0
    min_backoff: float | None = None
    """None: a failed message is immediately available again."""
    max_backoff: float = DEFAULT_MAX_BACKOFF_SECONDS
    dead_letter_topic: str | None = None
    max_attempts: int = 0
    """Delivery attempts after which a failed message is forwarded to the dead letter topic, if there is
    one."""
    retention: float = DEFAULT_RETENTION_SECONDS
    retain_acknowledged: bool = False

    def backoff(self, attempts: int) -> float:
        """The backoff after delivery attempt number `attempts` (the first is 1) failed."""
        if self.min_backoff is None:
            return 0.0
        return redelivery_seconds(attempts, minimum=self.min_backoff, maximum=self.max_backoff)

    def gives_up(self, attempts: int) -> bool:
        """Whether a message becomes a dead letter after this many failed attempts."""
        return self.dead_letter_topic is not None and attempts >= self.max_attempts


def policy_of(config: Any) -> Policy:
    """The policy of a google.pubsub.v1.Subscription with its defaults filled in."""
    min_backoff: float | None = None
    max_backoff = DEFAULT_MAX_BACKOFF_SECONDS
    if config.HasField("retry_policy"):
        min_backoff = seconds(config.retry_policy.minimum_backoff)
        max_backoff = seconds(config.retry_policy.maximum_backoff)
    elif config.push_config.push_endpoint:
        min_backoff, max_backoff = _PUSH_MIN_BACKOFF_SECONDS, _PUSH_MAX_BACKOFF_SECONDS
    dead_letters = config.HasField("dead_letter_policy")
    return Policy(
        ack_deadline=float(config.ack_deadline_seconds),
        min_backoff=min_backoff,
        max_backoff=max_backoff,
        dead_letter_topic=config.dead_letter_policy.dead_letter_topic if dead_letters else None,
        max_attempts=config.dead_letter_policy.max_delivery_attempts if dead_letters else 0,
        retention=seconds(config.message_retention_duration),
        retain_acknowledged=config.retain_acked_messages,
    )


def seconds(duration: Any) -> float:
    """A google.protobuf.Duration in seconds."""
    return float(duration.seconds) + float(duration.nanos) / 1e9
