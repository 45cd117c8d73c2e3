"""A job's progress to the daemon: never backward, and at most five times a second within a stage."""

from __future__ import annotations

import time
from pathlib import Path

from agent.cutting.process.context import Context
from agent.cutting.process.interruption import Reason
from agent.cutting.process.pace import Pace
from agent.cutting.process.protocol import Helper, Kept, Progress, Written, send
from clipping.contract.checkpoint import Checkpoint
from clipping.contract.choices import Stage

INTERVAL_SECONDS = 0.2


class ProgressSender:
    """Sends progress over the job's socket.

    Each report is an interruption point: it raises `Cancelled` or `GivenBack` when the job is interrupted. It
    also raises `GivenBack` when the job is going to be, and can't finish more of a long encode before.
    """

    def __init__(self, context: Context) -> None:
        self._channel, self._interruption = context.channel, context.interruption
        self._stage: Stage | None = None
        self._percent = 0.0
        self._last = 0.0
        self._pace = Pace(time.monotonic())

    def __call__(self, stage: Stage, percent: float) -> None:
        """At `percent` of the whole. A change of stage is always sent, others at most five times a second."""
        self._interruption.raise_if_set()
        self._percent = min(100.0, max(self._percent, percent))
        now = time.monotonic()
        self._stop_unless(self._pace.next_segment_in(now))
        if stage != self._stage or now - self._last >= INTERVAL_SECONDS:
            self._stage, self._last = stage, now
            send(self._channel, Progress(stage, self._percent))

    def alive(self) -> None:
        """The job makes progress by an unknown amount."""
        if self._stage is not None:
            self(self._stage, self._percent)

    def helper(self, pid: int | None) -> None:
        """An ffmpeg has been started, or has ended."""
        send(self._channel, Helper(pid))

    def written(self, path: Path) -> None:
        """The clip's file is complete, and not verified yet."""
        send(self._channel, Written(path))

    def kept(self, checkpoint: Checkpoint) -> None:
        """A segment was finished and kept, or an earlier attempt is resumed."""
        send(self._channel, Kept(checkpoint))
        self._pace.kept(checkpoint, time.monotonic())
        self._stop_unless(self._pace.all_segments_in())

    def _stop_unless(self, needed: float | None) -> None:
        """Stop if less than `needed` seconds are left. None: unknown, or nothing of it is kept."""
        left = self._interruption.seconds_left
        if left is not None and needed is not None and needed > left:
            raise Reason.GIVEN_BACK.error()
