"""Reports the progress of clips to the API, without ever making the clip wait.

One thread publishes the newest state of each clip in flight: the first after half a second, then at most one
a second. A message costs its agent, the broker and the API ten milliseconds of CPU time or more, and many
clips are complete before a client could have read it: those publish none.

`retrying` is published at once, as no other message may follow for minutes. What can't be published is
dropped: the next message replaces it. Only `retrying` is published again.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from clipping.bus.publisher import Publisher
from clipping.clock import Clock
from clipping.contract.choices import Stage
from clipping.contract.messages import ProgressMessage
from clipping.errors import BusUnavailable
from clipping.log import get_logger

log = get_logger(__name__)

FIRST_SECONDS = 0.5
"""From a clip's first report to its first message."""
INTERVAL_SECONDS = 1.0
IDLE_SECONDS = 5.0
FORGET_SECONDS = 5.0
"""How long a clip that is not reported any more is kept in mind: longer than a publish takes."""
PUBLISH_SECONDS = 3.0
"""Time limit for publishing a progress message."""


@dataclass(frozen=True)
class _Sent:
    """What was published of a clip."""

    due: float
    """When the next message may be published, on the monotonic clock, in seconds."""
    stage: Stage | None
    """That of the last message; None when there was none."""


class ProgressReporter:
    """Owns the thread `progress`."""

    def __init__(self, publisher: Publisher, topic: str, clock: Clock) -> None:
        self._publisher = publisher
        self._topic = topic
        self._clock = clock
        self._wake = threading.Condition()
        self._newest: dict[str, ProgressMessage] = {}
        self._sent: dict[str, _Sent] = {}
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
            self._forget_old()
            known = message.request_id in self._newest
            self._newest[message.request_id] = message
            first = _Sent(self._clock.monotonic() + FIRST_SECONDS, None)
            self._sent.setdefault(message.request_id, first)
            if not known or message.stage == "retrying":
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
                message, seconds = self._next()
                if seconds > 0:
                    self._wake.wait(seconds)
                    continue
                assert message is not None
                del self._newest[message.request_id]
                due = self._clock.monotonic() + INTERVAL_SECONDS
                self._sent[message.request_id] = _Sent(due, message.stage)
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

    def _forget_old(self) -> None:
        """Drop what is known of clips that ended without a completion."""
        oldest = self._clock.monotonic() - FORGET_SECONDS
        for request_id in [each for each, sent in self._sent.items() if sent.due < oldest]:
            if request_id not in self._newest:
                del self._sent[request_id]

    def _next(self) -> tuple[ProgressMessage | None, float]:
        """The next message to publish, and in how many seconds."""
        now = self._clock.monotonic()
        waits = ((max(0.0, self._due(message) - now), message) for message in self._newest.values())
        seconds, message = min(waits, key=lambda each: each[0], default=(IDLE_SECONDS, None))
        return message, min(seconds, IDLE_SECONDS)

    def _due(self, message: ProgressMessage) -> float:
        sent = self._sent[message.request_id]
        return 0.0 if message.stage == "retrying" and sent.stage != "retrying" else sent.due
