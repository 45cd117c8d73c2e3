"""Divides an encode into segments, each of which is encoded by itself and kept when it is complete. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Segment:
    """Consecutive frames of a range, by their positions in it. Contains `first`, and not `stop`."""

    first: int
    stop: int


def plan_segments(shown: Sequence[int], keyframes: Sequence[int], length: int) -> tuple[Segment, ...]:
    """Segments of about `length` that contain every frame once.

    `shown`: when each frame is shown, in ascending order; `keyframes`: which of these times are of frames
    that decoding can begin with; all in ticks. Each segment but the first begins with such a frame, so that
    none of the recording is decoded twice. Where there is none, a segment is longer.
    """
    positions = {at: position for position, at in enumerate(shown)}
    candidates = sorted({at for at in keyframes if at in positions})
    begins = [0]
    while (following := _next_begin(shown, candidates, shown[begins[-1]], length)) is not None:
        begins.append(positions[following])
    return tuple(Segment(a, b) for a, b in pairwise([*begins, len(shown)]))


def _next_begin(shown: Sequence[int], candidates: Sequence[int], begin: int, length: int) -> int | None:
    """When the segment begins that follows the one from `begin`: near `length` later, and neither of the two
    shorter than half of that. What is left at the end is no segment of its own if it is as short."""
    if shown[-1] - begin < length * 1.5:
        return None
    nearest = [at for at in candidates if at - begin >= length / 2 and shown[-1] - at >= length / 2]
    return min(nearest, key=lambda at: abs(at - begin - length), default=None)
