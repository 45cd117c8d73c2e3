"""The frames of a range, by their packets: nothing is decoded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

import av
import av.container

from agent.cutting.plan import Plan, no_picture, no_picture_yet
from agent.cutting.seek import KeyTest, tick_from

_STEPS = (Fraction(0), Fraction(2), Fraction(10), Fraction(30), Fraction(120))
_AFTER = Fraction(2)
"""Seconds of packets read beyond the end, to be sure that every frame before it has been seen."""
_NEVER = -(2**62)


@dataclass(frozen=True)
class Frames:
    """Which frames a range holds. Times in seconds on the container's own time line."""

    start: Fraction
    """Of the first frame in the range."""
    last: Fraction
    """Of the last frame in it."""
    end: Fraction
    """Of the first frame behind it, or where the last one's time is over."""
    count: int
    shortest: Fraction
    longest: Fraction
    """Between two frames."""
    entry: Fraction | None
    """The last clean keyframe at or before the first frame; None when none was found near."""
    sounding: Mapping[int, Fraction]
    """By the index of each sound track that is heard in the range: where its last packet in it ends."""


def frames_in(container: av.container.InputContainer, plan: Plan) -> Frames:
    """The range's frames. Raises `RangeBeyondEnd` when the picture is over before it."""
    video: Any = container.streams[plan.movie.index]
    sound = [container.streams[track.source.index] for track in plan.tracks]
    for back in _STEPS:
        try:
            container.seek(tick_from(plan.start - back, video.time_base), stream=video, backward=True)
        except av.error.FFmpegError:
            continue
        scan = _Scan(plan, video)
        scan.read(container.demux([video, *sound]))
        # Without a keyframe before the first frame, reading may have begun behind it.
        if scan.entry is not None:
            break
    return scan.frames()


class _Scan:
    def __init__(self, plan: Plan, video: Any) -> None:
        self._time_base: Fraction = video.time_base
        self._start = tick_from(plan.start, self._time_base)
        self._stop = tick_from(plan.stop, self._time_base)
        self._plan = plan
        self._video = video
        self._is_clean = KeyTest(video)
        self._shown: dict[int, int] = {}
        self._before = (_NEVER, 0)
        self._after: int | None = None
        self._sounding: dict[int, Fraction] = {}
        self.entry: int | None = None

    def read(self, packets: Any) -> None:
        """Take in packets until the range is over."""
        enough = self._stop + int(_AFTER / self._time_base)
        for packet in packets:
            at = packet.pts if packet.pts is not None else packet.dts
            if at is None or packet.size == 0:
                continue
            if packet.stream_index != self._video.index:
                if self._plan.start <= at * packet.time_base < self._plan.stop:
                    self._sounding[packet.stream_index] = (at + (packet.duration or 0)) * packet.time_base
                continue
            self._see(packet, at)
            if (packet.dts if packet.dts is not None else at) > enough:
                return

    def _see(self, packet: Any, at: int) -> None:
        if at <= self._start and self._is_clean(packet):
            self.entry = at if self.entry is None else max(at, self.entry)
        if packet.is_discard:
            return  # an edit list hides it
        if at < self._start:
            self._before = max(self._before, (at, packet.duration or 0))
        elif at < self._stop:
            self._shown[at] = packet.duration or 0
        else:
            self._after = at if self._after is None else min(at, self._after)

    def _standing(self) -> tuple[int, int]:
        """The frame that is shown while none begins: a clip is at least one frame long."""
        at, duration = self._before
        if at == _NEVER and self._after is not None:
            raise no_picture_yet(self._plan, self._after * self._time_base)
        if self._after is None and at + duration <= self._start:
            raise no_picture(self._plan, max(at + duration, 0) * self._time_base)
        return at, duration

    def frames(self) -> Frames:
        """What was found."""
        if not self._shown:
            self._shown = dict([self._standing()])
        shown = sorted(self._shown)
        average = 1 / (self._plan.movie.video.rate or 25) if self._plan.movie.video else Fraction(1, 25)
        usual = max(1, round(average / self._time_base))
        tail = self._shown[shown[-1]] or usual
        end = shown[-1] + tail if self._after is None else self._after
        gaps = [b - a for a, b in pairwise([*shown, end])] or [tail]
        return Frames(
            start=shown[0] * self._time_base,
            last=shown[-1] * self._time_base,
            end=end * self._time_base,
            count=len(shown),
            shortest=min(gaps) * self._time_base,
            longest=max(gaps) * self._time_base,
            entry=None if self.entry is None else self.entry * self._time_base,
            sounding=dict(self._sounding),
        )
