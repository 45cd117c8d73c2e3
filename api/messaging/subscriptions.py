"""Pulls the agents' messages, if Pub/Sub does not push them."""

from __future__ import annotations

from api.messaging.agent_messages import KINDS, Ingest, Kind
from clipping.bus.subscriber import Delivery, Subscription
from clipping.config import PubSub
from clipping.errors import BusUnavailable, QueueUnavailable
from clipping.log import get_logger

MAX_LEASE_SECONDS = 60.0
"""A message is applied in milliseconds; a database that takes this long is unavailable."""
SLOTS = 2
"""Messages of one kind that are applied concurrently. The database is the bottleneck anyway."""

log = get_logger(__name__)


class Consumers:
    """The API's own subscriptions: completions, progress, dead letters."""

    def __init__(self, config: PubSub, ingest: Ingest) -> None:
        self._subscriptions = {
            kind: Subscription(
                config.project,
                f"{config.api_subscription_prefix}-{kind}",
                slots=SLOTS,
                handler=_Handler(ingest, kind),
                max_lease_seconds=MAX_LEASE_SECONDS,
                lease_seconds=config.lease_seconds,
                thread_name=f"pull-{kind}",
            )
            for kind in KINDS
        }

    def start(self) -> None:
        """Start to pull. Does not wait for the connections."""
        for subscription in self._subscriptions.values():
            subscription.start()

    def stop(self, timeout: float) -> None:
        """Finish the messages in flight and close."""
        for subscription in self._subscriptions.values():
            subscription.stop_pulling()
        for subscription in self._subscriptions.values():
            subscription.drain(timeout / len(KINDS))
            subscription.close()

    def troubles(self) -> list[str]:
        """A sentence for each stream that can't receive messages now."""
        states = {kind: subscription.state for kind, subscription in self._subscriptions.items()}
        return [f"no {kind} messages: {state.detail}" for kind, state in states.items() if not state.ok]


class _Handler:
    """Acknowledges a message once its effect is committed."""

    def __init__(self, ingest: Ingest, kind: Kind) -> None:
        self._ingest = ingest
        self._kind = kind

    def __call__(self, delivery: Delivery) -> None:
        try:
            self._ingest.take(self._kind, delivery.message_id, delivery.data, delivery.attributes)
            delivery.acknowledge()
        except (QueueUnavailable, BusUnavailable) as error:
            # It is delivered again after the subscription's backoff, and applying it twice is harmless.
            log.warning("intake.again", kind=self._kind, message_id=delivery.message_id, reason=error.message)
            delivery.release()
