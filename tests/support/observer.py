"""Observes a cluster's invariants: epochs never decrease, and clips are never overwritten."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from typing import Any

import grpc
from google.api_core.exceptions import DeadlineExceeded, GoogleAPICallError
from google.auth.credentials import AnonymousCredentials
from google.pubsub_v1 import PublisherClient, SubscriberClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport
from google.pubsub_v1.types import PubsubMessage

from clipping.contract.cluster import BrokenDocument, Lease, lease_key
from clipping.contract.messages import CompletionMessage
from clipping.errors import StoreUnavailable
from clipping.store.layout import FOLDERS
from clipping.store.port import Store
from tests.support.waiting import eventually

POLL_SECONDS = 0.1
PULL_SECONDS = 1.0


@dataclass(frozen=True)
class Seen:
    """One version of the lease."""

    epoch: int
    state: str
    holder: str
    instance: str


class StoreObserver:
    """Polls the lease and the list of clips ten times a second, in its own thread."""

    def __init__(self, store: Store, cluster: str) -> None:
        self._store, self._key = store, lease_key(cluster)
        self._stop = threading.Event()
        self.history: list[Seen] = []
        self.versions: dict[str, set[str]] = {}
        self._thread = threading.Thread(target=self._run, name="store-observer", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(30)

    def epochs(self) -> list[int]:
        """The observed epochs, in order, without repetitions."""
        found: list[int] = []
        for seen in self.history:
            if not found or found[-1] != seen.epoch:
                found.append(seen.epoch)
        return found

    def check(self) -> None:
        """Fail if an epoch decreased, an epoch had two leaders, or a clip was overwritten."""
        epochs = self.epochs()
        assert epochs == sorted(set(epochs)), f"epochs decreased: {self.history}"
        leaders: dict[int, set[str]] = {}
        for seen in self.history:
            if seen.state == "held":
                leaders.setdefault(seen.epoch, set()).add(seen.instance)
        assert all(len(who) == 1 for who in leaders.values()), f"two leaders of one epoch: {self.history}"
        overwritten = {key: found for key, found in self.versions.items() if len(found) > 1}
        assert not overwritten, f"overwritten: {overwritten}"

    def _run(self) -> None:
        while not self._stop.wait(POLL_SECONDS):
            try:
                self._poll()
            except (StoreUnavailable, BrokenDocument):
                continue

    def _poll(self) -> None:
        for folder in FOLDERS:
            for info in self._store.list(f"{folder}/").objects:
                self.versions.setdefault(info.key, set()).add(info.version)
        found = self._store.get(self._key)
        if found is not None:
            lease = Lease.from_json(found[0])
            seen = Seen(lease.epoch, lease.state, lease.holder, lease.instance)
            if not self.history or self.history[-1] != seen:
                self.history.append(seen)


class Witness:
    """Separate subscriptions, which receive every request of the API and every completion of any agent."""

    def __init__(self, host_port: str, project: str) -> None:
        self._channel = grpc.insecure_channel(host_port)
        who = {"channel": self._channel, "credentials": AnonymousCredentials()}
        self._subscriber = SubscriberClient(transport=SubscriberGrpcTransport(**who))
        self._publisher = PublisherClient(transport=PublisherGrpcTransport(**who))
        self._project = f"projects/{project}"
        for name in ("complete", "requests"):
            self._subscriber.create_subscription(
                name=self._path(name), topic=f"{self._project}/topics/clipping-{name}", timeout=30
            )
        self.seen: list[CompletionMessage] = []
        self._requests: dict[str, Any] = {}

    def completions(self) -> Counter[tuple[str, str]]:
        """The number of completions received so far, by `(request_id, status)`."""
        while received := self._pull("complete"):
            self.seen += [CompletionMessage.from_json(one.message.data) for one in received]
        return Counter((one.request_id, one.status) for one in self.seen)

    def republish(self, request_id: str) -> None:
        """Publish the message of a request again."""

        def received() -> Any:
            for one in self._pull("requests"):
                self._requests[one.message.attributes["request_id"]] = one.message
            return self._requests.get(request_id)

        message = eventually(received, f"the message of {request_id}")
        again = PubsubMessage(data=message.data, attributes=dict(message.attributes))
        topic = f"{self._project}/topics/clipping-requests"
        self._publisher.publish(topic=topic, messages=[again], timeout=30)

    def close(self) -> None:
        self._channel.close()

    def _path(self, name: str) -> str:
        return f"{self._project}/subscriptions/witness-{name}"

    def _pull(self, name: str) -> list[Any]:
        path = self._path(name)
        try:
            answer = self._subscriber.pull(
                subscription=path, max_messages=1000, timeout=PULL_SECONDS, retry=None
            )
        except (DeadlineExceeded, GoogleAPICallError):
            return []
        if answer.received_messages:
            ids = [one.ack_id for one in answer.received_messages]
            self._subscriber.acknowledge(subscription=path, ack_ids=ids, timeout=10)
        return list(answer.received_messages)
