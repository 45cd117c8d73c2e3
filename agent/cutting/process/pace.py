"""How fast a long encode finishes segments: what can be finished before it is given back. Pure."""

from __future__ import annotations

from clipping.contract.checkpoint import Checkpoint

_REST = 1.1
"""The clip takes this much of its segments' time: they are joined, and it is verified and uploaded."""


class Pace:
    """All times are seconds on one clock."""

    def __init__(self, now: float) -> None:
        self._at = now
        self._newest: Checkpoint | None = None
        self._frames = self._segments = 0
        self._seconds = 0.0

    def kept(self, checkpoint: Checkpoint, now: float) -> None:
        """A segment was finished, or what an earlier attempt finished was found."""
        before = self._newest
        resumed = before is None and checkpoint.resumed_count > 0
        frames = checkpoint.frame - (0 if before is None else before.frame)
        if not resumed and frames > 0:
            self._frames += frames
            self._segments += 1
            self._seconds += now - self._at
        self._newest, self._at = checkpoint, now

    def next_segment_in(self, now: float) -> float | None:
        """When the running segment will be finished; None: unknown, or there is none."""
        if self._newest is None or self._segments == 0 or self._newest.frame == self._newest.total:
            return None
        return max(0.0, self._seconds / self._segments - (now - self._at))

    def all_segments_in(self) -> float | None:
        """When the clip will be finished, counted from the last checkpoint; None: unknown."""
        if self._newest is None or self._frames == 0:
            return None
        return (self._newest.total - self._newest.frame) * self._seconds / self._frames * _REST
