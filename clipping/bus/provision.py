"""Creates and updates topics and subscriptions to match a topology. Idempotent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from google.api_core.exceptions import AlreadyExists, NotFound
from google.cloud.pubsub_v1 import SubscriberClient
from google.protobuf.field_mask_pb2 import FieldMask
from google.pubsub_v1 import PublisherClient
from google.pubsub_v1.types import Subscription, UpdateSubscriptionRequest

from clipping.bus.connection import Connection, publisher_client, subscriber_client
from clipping.bus.drift import drift, unmendable, wanted
from clipping.bus.failures import bounded
from clipping.bus.topology import SubscriptionSpec, Topology
from clipping.errors import ConfigurationError


@dataclass(frozen=True)
class Change:
    """A change that was made or, in a dry run, would be made."""

    action: Literal["create", "update"]
    kind: Literal["topic", "subscription"]
    name: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.action} {self.kind} {self.name}" + (f": {self.detail}" if self.detail else "")


_Step = tuple[Change, Callable[[], None]]


def provision(
    project: str, topology: Topology, *, dry_run: bool = False, timeout_seconds: float = 15.0
) -> list[Change]:
    """Create what is missing and update what differs. Returns the changes in order.

    Raises `BusUnavailable` when a call fails or takes longer than `timeout_seconds`, and
    `ConfigurationError`, before anything is changed, with every difference that no update can fix.

    Dead lettering on Google's Pub/Sub also needs permissions for Google's service account (publisher on the
    topic, subscriber on the subscription). The project's owner grants them; this function does not.
    """
    work = _Provision(project, timeout_seconds)
    try:
        steps = list(work.steps(topology))
        if work.problems:
            raise ConfigurationError(work.problems)
        if not dry_run:
            for _, do in steps:
                do()
        return [change for change, _ in steps]
    finally:
        work.close()


class _Provision:
    """The calls: `steps` only reads, the steps that it returns write."""

    def __init__(self, project: str, timeout_seconds: float) -> None:
        self.problems: list[str] = []
        self._project = project
        self._topics: Connection[PublisherClient] = Connection(publisher_client)
        self._subscriptions: Connection[SubscriberClient] = Connection(subscriber_client)
        self._limits: dict[str, Any] = {"retry": bounded(timeout_seconds), "timeout": timeout_seconds}

    def close(self) -> None:
        self._topics.close(0)
        self._subscriptions.close(0)

    def steps(self, topology: Topology) -> Iterator[_Step]:
        for topic in topology.topics:
            if not self._topic_exists(topic):
                yield Change("create", "topic", topic), partial(self._create_topic, topic)
        for spec in topology.subscriptions:
            yield from self._subscription_steps(spec)

    def _subscription_steps(self, spec: SubscriptionSpec) -> Iterator[_Step]:
        desired = wanted(self._project, spec)
        found = self._find(desired.name)
        if found is None:
            yield (
                Change("create", "subscription", spec.name, f"of {spec.topic}"),
                partial(self._create, desired),
            )
            return
        self.problems += unmendable(desired, found)
        if differences := drift(desired, found):
            yield (
                Change("update", "subscription", spec.name, ", ".join(map(str, differences))),
                partial(self._update, desired, [difference.field for difference in differences]),
            )

    def _topic_exists(self, topic: str) -> bool:
        with self._topics.call(f"look up topic {topic}") as client:
            try:
                client.get_topic(topic=self._path(topic), **self._limits)
            except NotFound:
                return False
        return True

    def _create_topic(self, topic: str) -> None:
        with self._topics.call(f"create topic {topic}") as client:
            try:
                client.create_topic(name=self._path(topic), **self._limits)
            except AlreadyExists:
                pass  # another process provisions at the same time, or the first response was lost

    def _find(self, path: str) -> Subscription | None:
        with self._subscriptions.call(f"look up {path}") as client:
            try:
                found: Subscription = client.get_subscription(subscription=path, **self._limits)
            except NotFound:
                return None
        return found

    def _create(self, desired: Subscription) -> None:
        with self._subscriptions.call(f"create {desired.name}") as client:
            try:
                client.create_subscription(request=desired, **self._limits)
            except AlreadyExists:
                pass

    def _update(self, desired: Subscription, fields: list[str]) -> None:
        request = UpdateSubscriptionRequest(subscription=desired, update_mask=FieldMask(paths=fields))
        with self._subscriptions.call(f"update {desired.name}") as client:
            client.update_subscription(request=request, **self._limits)

    def _path(self, topic: str) -> str:
        return f"projects/{self._project}/topics/{topic}"
