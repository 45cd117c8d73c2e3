"""How far a run of ffmpeg is. Pure."""

from __future__ import annotations

_ENCODED = 0.97
"""The share at which all is encoded, and the index is still to be moved to the front."""
_STEP = 0.1


class Climb:
    """From 0 to 1 and never backward, by the times that ffmpeg prints.

    It prints nothing new while it decodes its way to the range, and while it moves the index: then the share
    creeps towards what it can't be beyond.
    """

    def __init__(self, seconds: float) -> None:
        self._microseconds = seconds * 1e6
        self._known = 0.0
        self._last: int | None = None
        self.share = 0.0

    def read(self, line: str) -> bool:
        """Take in a line of `-progress`; True when it is further than before."""
        key, _, value = line.strip().partition("=")
        if key != "out_time_us" or not value.lstrip("-").isdigit():  # it may say N/A
            return False
        at = int(value)
        if self._last is not None and at <= self._last:
            return False
        self._last = at
        part = at / self._microseconds if self._microseconds > 0 else 1.0
        self._known = max(self._known, min(1.0, max(0.0, part)) * _ENCODED)
        self.share = max(self.share, self._known)
        return True

    def creep(self) -> None:
        """It moves, without saying how far it is."""
        ceiling = max(self.share, self._known + 1 - _ENCODED)
        self.share += (ceiling - self.share) * _STEP
