"""Requests and completions over Pub/Sub, as the API sends and receives them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from google.api_core.exceptions import DeadlineExceeded
from google.cloud import pubsub_v1

from clipping.bus.connection import subscriber_client
from clipping.bus.provision import provision
from clipping.bus.topology import topology
from clipping.config import Config
from clipping.contract.messages import CompletionMessage, RequestMessage, parse_clip_request
from clipping.ids import new_request_id
from tests.support.waiting import eventually


class Desk:
    """A client of the broker in PUBSUB_EMULATOR_HOST. Creates the topics, as `provision` does."""

    def __init__(self, config: Config) -> None:
        project = f"projects/{config.pubsub.project}"
        provision(config.pubsub.project, topology(config), dry_run=False)
        self._topic = f"{project}/topics/{config.pubsub.requests_topic}"
        self._subscription = f"{project}/subscriptions/desk"
        self._publisher = pubsub_v1.PublisherClient()
        self._subscriber = subscriber_client()
        self._subscriber.create_subscription(
            name=self._subscription, topic=f"{project}/topics/{config.pubsub.complete_topic}", timeout=30
        )
        self._completions: list[CompletionMessage] = []

    def ask(self, **fields: Any) -> str:
        """Publish a request for a clip of the recording. Returns its id."""
        path = "/srv/recordings/night.mp4"
        body = {"hand_id": "h", "nas_video_path": path, "start_seconds": 1, "end_seconds": 3, **fields}
        now = datetime.now(UTC)
        message = RequestMessage.of(
            parse_clip_request(body, max_clip_seconds=600),
            request_id=new_request_id(now),
            owner="test",
            requested_at=now,
        )
        self._publisher.publish(self._topic, message.to_json(), lane="interactive").result(30)
        return message.request_id

    def completed(
        self, request_id: str, *, within: float = 90.0, logs: Callable[[], str] | None = None
    ) -> CompletionMessage:
        """Wait for the completion of a request; fails unless its status is *completed*."""
        completion = eventually(
            lambda: next(iter(self.all(request_id)), None),
            f"{request_id} to complete",
            within=within,
            logs=logs,
        )
        assert completion.status == "completed", completion
        return completion

    def all(self, request_id: str) -> list[CompletionMessage]:
        """All completions of a request received so far."""
        self._pull()
        return [one for one in self._completions if one.request_id == request_id]

    def close(self) -> None:
        self._publisher.transport.close()
        self._subscriber.transport.close()

    def _pull(self) -> None:
        try:
            answer = self._subscriber.pull(
                subscription=self._subscription, max_messages=100, timeout=1, retry=None
            )
        except DeadlineExceeded:
            return
        received = list(answer.received_messages)
        self._completions += [CompletionMessage.from_json(one.message.data) for one in received]
        if received:
            ids = [one.ack_id for one in received]
            self._subscriber.acknowledge(subscription=self._subscription, ack_ids=ids, timeout=30)
