"""The health of this process: its own checks, and whether its loop stalled or its clock jumped."""

from __future__ import annotations

from clipping.clock import Clock
from clipping.log import get_logger
from health.election.roles import SelfCheck, SelfChecker

log = get_logger(__name__)

GAP_SECONDS = 2.0
"""The loop stalled, or the clock jumped, by more than this: earlier counts are not valid."""

FAILED_CHECKS = 2
"""How many failed self-checks in a row have consequences; a single one may be chance."""


class SelfChecks:
    """Counts failed self-checks, at most one per `every` seconds."""

    def __init__(self, self_check: SelfChecker, clock: Clock, every: float) -> None:
        self._self_check, self._clock, self._every = self_check, clock, every
        self._offset = self._wall_offset()
        self._counted_at = float("-inf")
        self.check = SelfCheck(False, ("no self-check has run yet",))
        self.failed = self.wedged = 0
        """Checks in a row that were not ok; that found a stalled loop."""
        self.failing_since = float("inf")
        """When `FAILED_CHECKS` in a row were not ok."""

    def gap(self, now: float, due: float) -> bool:
        """Whether the loop is much later than it was `due`, or the wall clock jumped meanwhile."""
        offset = self._wall_offset()
        late, jump = now - due, offset - self._offset
        self._offset = offset
        if late <= GAP_SECONDS and abs(jump) <= GAP_SECONDS:
            return False
        log.warning("cluster.gap", late_seconds=late, clock_jump_seconds=jump)
        self.failed = self.wedged = 0
        self.failing_since = float("inf")
        return True

    def run(self, now: float) -> None:
        self.check = self._self_check()
        if self.check.ok:
            self.failed, self.failing_since = 0, float("inf")
        if self.check.alive:
            self.wedged = 0
        if now - self._counted_at >= self._every:
            self._counted_at = now
            self.failed += not self.check.ok
            if self.failed == FAILED_CHECKS:
                self.failing_since = now
            self.wedged += not self.check.alive

    def _wall_offset(self) -> float:
        return self._clock.now().timestamp() - self._clock.monotonic()
