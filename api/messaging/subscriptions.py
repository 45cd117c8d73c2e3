"""Pulls the agents' messages, if Pub/Sub does not push them."""

from __future__ import annotations

from functools import partial

from api.messaging.agent_messages import KINDS, Ingest, Kind
from clipping.bus.groups import GroupSubscription
from clipping.config import PubSub

GROUP = 50
"""Messages applied in one transaction, during which no other can write to SQLite."""
GATHER_SECONDS: dict[Kind, float] = {"progress": 0.25}
"""How long to let messages gather. Event streams look for progress every half second. Completions are applied
at once, by a thread of their own, and only wait for the progress messages of one transaction."""


class Consumers:
    """The API's own subscriptions: completions, progress, dead letters. A thread for each."""

    def __init__(self, config: PubSub, ingest: Ingest) -> None:
        self._subscriptions = {
            kind: GroupSubscription(
                config.project,
                f"{config.api_subscription_prefix}-{kind}",
                most=GROUP,
                gather_seconds=GATHER_SECONDS.get(kind, 0.0),
                handler=partial(ingest.take_all, kind),
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
            subscription.close(timeout / len(KINDS))

    def troubles(self) -> list[str]:
        """A sentence for each subscription that can't receive messages now."""
        states = {kind: subscription.state for kind, subscription in self._subscriptions.items()}
        return [f"no {kind} messages: {state.detail}" for kind, state in states.items() if not state.ok]
