"""Reports the progress of clips to the API, without ever making the clip wait.

One thread publishes the newest state of each clip in flight: at most one message a second and clip, and one
at each change of stage. What can't be published is dropped: the next message replaces it. Only `retrying` is
published again, as no other message may follow for minutes.
"""

from __future__ import annotations

import threading

from clipping.bus.publisher import Publisher
from clipping.clock import Clock
from clipping.contract.messages import ProgressMessage
from clipping.errors import BusUnavailable
from clipping.log import get_logger

log = get_logger(__name__)

INTERVAL_SECONDS = 1.0
IDLE_SECONDS = 5.0
PUBLISH_SECONDS = 3.0
"""Time limit for publishing a progress message."""


class ProgressReporter:
    """Owns the thread `progress`."""

    def __init__(self, publisher: Publisher, topic: str, clock: Clock) -> None:
        self._publisher = publisher
        self._topic = topic
        self._clock = clock
        self._wake = threading.Condition()
        self._newest: dict[str, ProgressMessage] = {}
        self._sent: dict[str, tuple[float, str]] = {}
        self._open = True
        self._beat = clock.monotonic()
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def heartbeat_age(self) -> float:
        """Seconds since its loop last made progress."""
        return self._clock.monotonic() - self._beat

    def report(self, message: ProgressMessage) -> None:
        """Set the latest message of its clip. Never blocks."""
        with self._wake:
            self._newest[message.request_id] = message
            self._wake.notify()

    def forget(self, request_id: str) -> None:
        """The clip is settled: publish no more progress of it."""
        with self._wake:
            self._newest.pop(request_id, None)
            self._sent.pop(request_id, None)

    def close(self, timeout: float = PUBLISH_SECONDS) -> None:
        with self._wake:
            self._open = False
            self._wake.notify()
        self._thread.join(timeout)

    def _run(self) -> None:
        while True:
            self._beat = self._clock.monotonic()
            with self._wake:
                if not self._open:
                    return
                message = self._due()
                if message is None:
                    self._wake.wait(INTERVAL_SECONDS / 4 if self._newest else IDLE_SECONDS)
                    continue
                del self._newest[message.request_id]
                self._sent[message.request_id] = (self._clock.monotonic(), message.stage)
            try:
                self._publisher.publish(
                    self._topic,
                    message.to_json(),
                    {"request_id": message.request_id},
                    timeout_seconds=PUBLISH_SECONDS,
                )
            except BusUnavailable as error:
                log.debug("progress.dropped", request_id=message.request_id, reason=error.message)
                if message.stage == "retrying":
                    self._keep(message)

    def _keep(self, message: ProgressMessage) -> None:
        """Publish it later, unless there is a newer one or the clip was settled meanwhile."""
        with self._wake:
            if message.request_id in self._sent:
                self._newest.setdefault(message.request_id, message)

    def _due(self) -> ProgressMessage | None:
        now = self._clock.monotonic()
        for request_id, message in self._newest.items():
            at, stage = self._sent.get(request_id, (float("-inf"), ""))
            if message.stage != stage or now - at >= INTERVAL_SECONDS:
                return message
        return None
