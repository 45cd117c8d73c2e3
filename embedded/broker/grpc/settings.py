"""Validates a topic's or subscription's configuration, fills in defaults, and applies update masks. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from embedded.broker import pb
from embedded.broker.delivery.filter import FilterError, Predicate, compile_filter
from embedded.broker.delivery.policy import (
    DEFAULT_MAX_BACKOFF_SECONDS,
    DEFAULT_MAX_DELIVERY_ATTEMPTS,
    DEFAULT_MIN_BACKOFF_SECONDS,
    DEFAULT_RETENTION_SECONDS,
    seconds,
)
from embedded.broker.names import check_topic
from embedded.broker.refusals import InvalidArgument, Unimplemented

_MIN_ACK_DEADLINE, _MAX_ACK_DEADLINE, _DEFAULT_ACK_DEADLINE = 10, 600, 10
_MIN_RETENTION, _MAX_RETENTION = 600, 31 * 86400
_DEFAULT_EXPIRATION = 31 * 86400
_MAX_BACKOFF = 600
_MIN_ATTEMPTS, _MAX_ATTEMPTS = 5, 100

_TOPIC_MUTABLE = ("labels", "message_storage_policy")
_TOPIC_UNSUPPORTED = (
    "kms_key_name",
    "schema_settings",
    "message_retention_duration",
    "ingestion_data_source_settings",
    "message_transforms",
)
_SUBSCRIPTION_MUTABLE = (
    "push_config",
    "ack_deadline_seconds",
    "retain_acked_messages",
    "message_retention_duration",
    "labels",
    "expiration_policy",
    "dead_letter_policy",
    "retry_policy",
)
_SUBSCRIPTION_UNSUPPORTED = (
    "bigquery_config",
    "cloud_storage_config",
    "bigtable_config",
    "enable_message_ordering",
    "enable_exactly_once_delivery",
    "message_transforms",
)


def complete_topic(config: Any) -> Any:
    """A validated copy of a Topic. Raises Unimplemented."""
    _refuse_unsupported(config, _TOPIC_UNSUPPORTED)
    complete = pb.Topic()
    complete.CopyFrom(config)
    complete.state = pb.TOPIC_ACTIVE
    return complete


def complete_subscription(config: Any) -> Any:
    """A validated copy of a Subscription with its defaults. Raises InvalidArgument or Unimplemented."""
    _refuse_unsupported(config, _SUBSCRIPTION_UNSUPPORTED)
    complete = pb.Subscription()
    complete.CopyFrom(config)
    complete.ack_deadline_seconds = complete.ack_deadline_seconds or _DEFAULT_ACK_DEADLINE
    _check_range("ack_deadline_seconds", complete.ack_deadline_seconds, _MIN_ACK_DEADLINE, _MAX_ACK_DEADLINE)
    if not complete.HasField("message_retention_duration"):
        complete.message_retention_duration.seconds = int(DEFAULT_RETENTION_SECONDS)
    retention = seconds(complete.message_retention_duration)
    _check_range("message_retention_duration", retention, _MIN_RETENTION, _MAX_RETENTION)
    if not complete.HasField("expiration_policy"):
        complete.expiration_policy.ttl.seconds = _DEFAULT_EXPIRATION
    _complete_retry_policy(complete)
    _complete_dead_letter_policy(complete)
    check_push_config(complete.push_config)
    complete.state = pb.SUBSCRIPTION_ACTIVE
    complete.detached = False
    return complete


def filter_of(config: Any) -> Predicate | None:
    """The subscription's filter, or None without one. Raises InvalidArgument."""
    if not config.filter:
        return None
    try:
        return compile_filter(config.filter)
    except FilterError as error:
        raise InvalidArgument(f"Invalid filter: {error}.") from None


def check_push_config(config: Any) -> None:
    """Reject endpoints that are not URLs, and unwrapped payloads."""
    if config.HasField("no_wrapper"):
        raise Unimplemented("push_config.no_wrapper is not supported; messages are pushed wrapped.")
    if not config.push_endpoint:
        return
    parts = urlsplit(config.push_endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidArgument(f"Invalid push endpoint: {config.push_endpoint!r}; expected an http(s) URL.")


def check_ack_deadline(value: int) -> None:
    """Reject values outside 0 to 600 seconds."""
    _check_range("ack_deadline_seconds", value, 0, _MAX_ACK_DEADLINE)


def check_stream_ack_deadline(value: int) -> None:
    """Reject values outside 10 to 600 seconds."""
    _check_range("stream_ack_deadline_seconds", value, _MIN_ACK_DEADLINE, _MAX_ACK_DEADLINE)


def updated_topic(current: Any, changes: Any, paths: Sequence[str]) -> Any:
    """`current` with the fields in `paths` taken from `changes`. Raises InvalidArgument."""
    return complete_topic(_updated(current, changes, paths, _TOPIC_MUTABLE, _TOPIC_UNSUPPORTED))


def updated_subscription(current: Any, changes: Any, paths: Sequence[str]) -> Any:
    """`current` with the fields in `paths` taken from `changes`. Raises InvalidArgument."""
    mutable, unsupported = _SUBSCRIPTION_MUTABLE, _SUBSCRIPTION_UNSUPPORTED
    return complete_subscription(_updated(current, changes, paths, mutable, unsupported))


def _updated(
    current: Any, changes: Any, paths: Sequence[str], mutable: Sequence[str], unsupported: Sequence[str]
) -> Any:
    if not paths:
        raise InvalidArgument(
            "The update_mask in the request must be set, and must contain a non-empty path."
        )
    updated = type(current)()
    updated.CopyFrom(current)
    chosen = type(current)()
    for path in paths:
        if path in unsupported:
            # Enabling it is rejected below; leaving it disabled is not a change.
            pass
        elif path not in mutable:
            raise InvalidArgument(f"Invalid update_mask: {path!r} is unknown or can't be changed.")
        updated.ClearField(path)
        for descriptor, value in changes.ListFields():
            if descriptor.name == path:
                _copy(descriptor.name, value, chosen)
    updated.MergeFrom(chosen)
    return updated


def _copy(name: str, value: Any, target: Any) -> None:
    if isinstance(value, (bool, int, str)):
        setattr(target, name, value)
    else:
        getattr(target, name).MergeFrom(value)
        if hasattr(value, "SerializeToString"):
            getattr(target, name).SetInParent()


def _refuse_unsupported(config: Any, names: Sequence[str]) -> None:
    for descriptor, _ in config.ListFields():
        if descriptor.name in names:
            raise Unimplemented(f"{descriptor.name} is not supported by the embedded broker.")


def _complete_retry_policy(config: Any) -> None:
    if not config.HasField("retry_policy"):
        return
    policy = config.retry_policy
    if not policy.HasField("minimum_backoff"):
        policy.minimum_backoff.seconds = int(DEFAULT_MIN_BACKOFF_SECONDS)
    if not policy.HasField("maximum_backoff"):
        policy.maximum_backoff.seconds = int(DEFAULT_MAX_BACKOFF_SECONDS)
    _check_range("retry_policy.minimum_backoff", seconds(policy.minimum_backoff), 0, _MAX_BACKOFF)
    _check_range("retry_policy.maximum_backoff", seconds(policy.maximum_backoff), 0, _MAX_BACKOFF)
    if seconds(policy.minimum_backoff) > seconds(policy.maximum_backoff):
        raise InvalidArgument("retry_policy.minimum_backoff must not be above maximum_backoff.")


def _complete_dead_letter_policy(config: Any) -> None:
    if not config.HasField("dead_letter_policy"):
        return
    policy = config.dead_letter_policy
    check_topic(policy.dead_letter_topic)
    policy.max_delivery_attempts = policy.max_delivery_attempts or DEFAULT_MAX_DELIVERY_ATTEMPTS
    _check_range(
        "dead_letter_policy.max_delivery_attempts", policy.max_delivery_attempts, _MIN_ATTEMPTS, _MAX_ATTEMPTS
    )


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise InvalidArgument(f"Invalid {name}: {value:g}; must be between {low:g} and {high:g}.")
