"""Detects that the wall clock was set. The agent does not depend on it, but tokens and links do."""

from __future__ import annotations

from clipping.clock import Clock
from health.page.snapshot import Check

JUMP_SECONDS = 2.0
REPORT_SECONDS = 60.0
"""How long a jump is reported."""


class ClockWatch:
    """Compares the wall clock with the monotonic clock. Not thread-safe."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset = self._now()
        self._jump: tuple[float, float] | None = None

    def check(self) -> Check:
        """Fails for a minute after a jump. It is never essential."""
        at, offset = self._clock.monotonic(), self._now()
        if abs(offset - self._offset) > JUMP_SECONDS:
            self._jump = offset - self._offset, at
        self._offset = offset
        if self._jump is not None and at - self._jump[1] < REPORT_SECONDS:
            seconds, when = self._jump
            detail = f"the wall clock was set by {seconds:+.1f} s, {at - when:.0f} s ago"
            return Check(False, detail, at, essential=False)
        return Check(True, "steady", at, essential=False)

    def _now(self) -> float:
        return self._clock.now().timestamp() - self._clock.monotonic()
