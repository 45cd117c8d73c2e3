"""Decoding times, made again: those of the source are wrong after a seek (Matroska) or before the start."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Sequence

WINDOW = 34
"""Frames read ahead: twice the 16 that H.264 and HEVC may reorder by, and the field pairs of both."""


class Unsortable(Exception):
    """No strictly growing decoding times exist that lie at or before the presentation times."""


class DecodeTimes:
    """The n-th decoding time is the n-th smallest presentation time, less a constant delay.

    Feed the presentation times in decoding order; times come back in the same order, `WINDOW` frames
    later. All in ticks of one timebase.
    """

    def __init__(self, delay: int) -> None:
        self._delay = delay
        self._ahead: deque[int] = deque()
        self._sorted: list[int] = []
        self._last: int | None = None

    @staticmethod
    def delay_for(first: list[int]) -> int:
        """The smallest delay for a clip whose first frames, in decoding order, are shown at `first`."""
        return max((b - a for a, b in zip(first, sorted(first), strict=True)), default=0)

    def push(self, pts: int) -> int | None:
        """The decoding time of the frame pushed `WINDOW` frames ago, once there is one."""
        self._ahead.append(pts)
        heapq.heappush(self._sorted, pts)
        return self._next() if len(self._ahead) > WINDOW else None

    def flush(self) -> list[int]:
        """The decoding times of all that were pushed and not answered yet."""
        return [self._next() for _ in range(len(self._ahead))]

    def _next(self) -> int:
        # Variable rates: a long pause makes the constant delay too small; no frame may then be decoded
        # after the earliest of those still to come is shown.
        dts = min(heapq.heappop(self._sorted) - self._delay, min(self._ahead))
        if self._last is not None and dts <= self._last:
            dts = self._last + 1
        if dts > self._ahead.popleft():
            raise Unsortable
        self._last = dts
        return dts


def decode_times(shown: Sequence[int], usual: int) -> list[int]:
    """Strictly growing decoding times for frames that are shown at `shown`, in decoding order.

    As encoders assign them: each frame is decoded when the frame is shown that lies as many frames before it
    as are reordered at most. So they exist at any rate, also where `DecodeTimes`, which does not know all
    frames beforehand, finds none. `usual`: the distance of the frames, for the times before the first.
    """
    ordered = sorted(shown)
    ranks = {at: rank for rank, at in enumerate(ordered)}
    delay = max((position - ranks[at] for position, at in enumerate(shown)), default=0)
    before = [ordered[0] - (delay - n) * usual for n in range(min(delay, len(ordered)))]
    return (before + ordered)[: len(ordered)]
