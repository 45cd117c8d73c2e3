"""Agents that cut nothing: they receive requests through the real Pub/Sub client and report like agents."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from typing import Self

from clipping.bus.publisher import Publisher
from clipping.bus.subscriber import Delivery, Subscription
from clipping.contract.messages import CompletionMessage, ProgressMessage, RequestMessage
from tests.api.api_process import ApiProcess, emulator_host
from tests.api.messages import completed, progress

Do = Callable[["Workers", RequestMessage], None]


def cut(workers: Workers, message: RequestMessage) -> None:
    """A clip's usual way: begin, and complete."""
    named = {"request_id": message.request_id, "agent_id": "nas-1"}
    workers.report(progress(**named, stage="probing", progress_percent=0.0))
    workers.report(completed(**named, hand_id=message.hand_id))


class Workers:
    """Both lanes of one agent, until the `with` ends. `do` is called for each request; then it is settled."""

    def __init__(self, api: ApiProcess, *, do: Do = cut, slots: int = 4) -> None:
        self.seen: Counter[str] = Counter()
        """How often each request was delivered."""
        self.messages: dict[str, set[str]] = defaultdict(set)
        """The ids of each request's messages: one for each time it was published."""
        self._do = do
        self._lock = threading.Lock()
        self._bus = api.config.pubsub
        self._emulator = api.emulator
        self._environment = ExitStack()
        self._publisher = Publisher(self._bus.project, timeout_seconds=30)
        self._subscriptions = [
            Subscription(
                self._bus.project,
                name,
                slots=slots,
                handler=self._handle,
                max_lease_seconds=60,
                lease_seconds=10,
                thread_name=f"worker-{name}",
            )
            for name in (self._bus.worker_subscription, self._bus.batch_subscription)
        ]

    def report(self, message: CompletionMessage | ProgressMessage) -> None:
        """Publish to the API."""
        bus = self._bus
        topic = bus.complete_topic if isinstance(message, CompletionMessage) else bus.progress_topic
        self._publisher.publish(topic, message.to_json(), {"request_id": message.request_id})

    def __enter__(self) -> Self:
        # Clients connect, and connect again, whenever they need to: all of that has to be to this broker.
        self._environment.enter_context(emulator_host(self._emulator))
        for subscription in self._subscriptions:
            subscription.start()
        return self

    def __exit__(self, *_: object) -> None:
        for subscription in self._subscriptions:
            subscription.drain(10)
            subscription.close()
        self._publisher.close()
        self._environment.close()

    def _handle(self, delivery: Delivery) -> None:
        message = RequestMessage.from_json(delivery.data)
        with self._lock:
            self.seen[message.request_id] += 1
            self.messages[message.request_id].add(delivery.message_id)
        self._do(self, message)
        delivery.acknowledge()
