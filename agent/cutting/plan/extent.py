"""Where a clip's video begins and ends if frames are shown for long. Pure; times are ticks of one stream.

A clip covers its range and no more: its last frame is shown up to the out-point, however long the recording
shows it, and a frame that stands at the in-point is shown from there on. Frames at their usual distance are
left alone: the last one keeps its full length, which reaches behind the out-point by less than a frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from math import floor

from agent.cutting.formats.packets import AnyPacket

REACH = Fraction(30)
"""Seconds from the in-point within which a keyframe must lie: a copy with a longer lead-in is another clip,
and with a longer edge a smart cut is no faster than an encode."""
STANDS = Fraction(1)
"""Seconds: when no frame begins for longer than this after the in-point, the frame that stands there is part
of the clip."""
LATE = Fraction(1, 2)
"""Seconds behind the out-point up to which a copy may show frames that earlier frames need for decoding."""
PATIENCE = Fraction(60)
"""Seconds of audio behind the out-point after which no more video is expected before it."""
LONGEST_USUAL = Fraction(1, 10)
"""Seconds: frames that are further apart than this are not left alone at the ends."""
MOST_AUDIO_OFF = "0.015"
"""Seconds by which encoded audio may be off before samples are added or dropped. ffmpeg's default is 0.1, up
to which lost packets add up. Times that are rounded to milliseconds stay well below this one."""
_DEFAULT_RATE = Fraction(25)
_WITHHOLDING = frozenset({"mpegts", "mpeg"})
"""Demuxers that return a frame only when they find the next one, even minutes later."""

NEVER = 2**62
"""The time of a next frame that is far behind everything that was read."""


def usual_frame(shown: Sequence[int], rate: Fraction | None, tick: Fraction) -> int:
    """The usual duration of a frame: the median of the distances between `shown` (sorted), else by
    `rate`; at most `LONGEST_USUAL`."""
    gaps = sorted(b - a for a, b in pairwise(shown))
    usual = Fraction(gaps[len(gaps) // 2]) if gaps else 1 / (rate or _DEFAULT_RATE) / tick
    return max(1, min(round(usual), floor(LONGEST_USUAL / tick)))


def clamped_end(last: int, following: int, stop: int, usual: int) -> int:
    """Where the last frame of a clip ends.

    `last`: when it is shown; `following`: when the recording shows the next one; `stop`: the out-point;
    `usual`: as from `usual_frame`.
    """
    return max(last + 1, min(following, max(stop, last + usual)))


def wanted(shown: Sequence[int], start: int, stop: int, stands: int) -> list[int]:
    """Of the frames shown, those of the range, sorted; first the one that stands at `start`, when none begins
    for more than `stands` ticks."""
    within = sorted(pts for pts in shown if start <= pts < stop)
    if within and within[0] - start <= stands:
        return within
    before = max((pts for pts in shown if pts < start), default=None)
    return within if before is None else [before, *within]


def begin(frames: Sequence[int], start: int, stop: int, usual: int) -> int:
    """When the clip begins that shows `frames`, which come from `wanted`.

    A range that lies within a single ordinary frame gives that frame as it is.
    """
    first = frames[0]
    if first >= start or (start - first <= usual and stop - start < usual):
        return first
    return start


class Patience:
    """How long to wait for video while audio goes on: one for each reading of a container."""

    def __init__(self, demuxer: str, stop: Fraction) -> None:
        """`demuxer`: libavformat's name for the container; `stop`: the out-point in seconds."""
        self._limit = None if demuxer in _WITHHOLDING else stop + PATIENCE

    def lost(self, packet: AnyPacket) -> bool:
        """Whether, with this packet that is not video, no more video before the out-point is expected."""
        return (
            self._limit is not None and packet.pts is not None and packet.pts * packet.time_base > self._limit
        )
