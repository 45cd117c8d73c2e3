"""A job's progress to the daemon: never backward, and not more often than anybody wants to read it."""

from __future__ import annotations

import socket
import time

from agent.cutting.process.protocol import Helper, Progress, send
from clipping.contract.messages import Stage

INTERVAL_SECONDS = 0.2


class Teller:
    """Sends progress over the job's socket."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._stage: Stage | None = None
        self._percent = 0.0
        self._last = 0.0

    def __call__(self, stage: Stage, percent: float) -> None:
        """At `percent` of the whole. A change of stage is always sent, others at most five times a second."""
        self._percent = min(100.0, max(self._percent, percent))
        now = time.monotonic()
        if stage != self._stage or now - self._last >= INTERVAL_SECONDS:
            self._stage, self._last = stage, now
            send(self._channel, Progress(stage, self._percent))

    def alive(self) -> None:
        """It goes on, though not so that it can be told how far it is."""
        if self._stage is not None:
            self(self._stage, self._percent)

    def helper(self, pid: int | None) -> None:
        """An ffmpeg has been started, or has ended."""
        send(self._channel, Helper(pid))
