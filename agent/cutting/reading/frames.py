"""Finds the frames of a range from packets, without decoding."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

import av
import av.container
from av.video.stream import VideoStream

from agent.cutting.formats.packets import AnyPacket
from agent.cutting.formats.streams import tick_of, video_stream
from agent.cutting.plan.extent import (
    NEVER,
    STANDS,
    Patience,
    begin,
    clamped_end,
    usual_frame,
    wanted,
)
from agent.cutting.plan.plan import Plan, no_video, no_video_yet
from agent.cutting.plan.segments import Segment
from agent.cutting.reading.damage import Damage
from agent.cutting.reading.demux import packets
from agent.cutting.reading.seek import KeyTest, tick_from
from agent.cutting.reading.walk import Walk

_STEPS = (Fraction(0), Fraction(2), Fraction(10), Fraction(30), Fraction(120))
_AFTER = Fraction(2)
"""Seconds of packets read beyond the end, to be sure that every frame before it has been seen."""


@dataclass(frozen=True)
class Frames:
    """Which frames a range holds. Times in seconds on the container's own time line."""

    first: Fraction
    """Of the first frame, which may have started before the range."""
    start: Fraction
    """From when on it is shown: where the clip begins."""
    last: Fraction
    """Of the last frame."""
    end: Fraction
    """Where the last frame ends: see `extent.clamped_end`."""
    held: bool
    """Whether the last frame is shown for less long than in the recording."""
    count: int
    shortest: Fraction
    longest: Fraction
    """Between two frames."""
    usual: Fraction
    """The usual duration of a frame."""
    entry: Fraction | None
    """The last clean keyframe at or before the first frame; None when none was found near."""
    audio_ends: Mapping[int, Fraction]
    """By the index of each audio stream with packets in the range: where its last packet in it ends."""
    shown: tuple[int, ...] = ()
    """When each frame is shown, in ticks of the video stream and in ascending order."""
    keyframes: tuple[int, ...] = ()
    """Which of `shown` are of clean keyframes, apart from the first."""

    def part(self, segment: Segment, tick: Fraction, *, around: int = 0) -> Frames:
        """The frames of a segment of this range. `tick`: seconds a tick.

        `around`: how many more frames to include on either side, as far as the range has them.
        """
        first, stop = max(0, segment.first - around), min(self.count, segment.stop + around)
        shown = self.shown[first:stop]
        if stop < self.count:
            end, held = self.shown[stop] * tick, False
        else:
            end, held = self.end, self.held
        start = self.start if first == 0 else shown[0] * tick
        entries = [at for at in self.keyframes if at <= shown[0]]
        return replace(
            self,
            first=shown[0] * tick,
            start=start,
            last=max(start, shown[-1] * tick),
            end=end,
            held=held,
            count=len(shown),
            entry=entries[-1] * tick if entries else self.entry,
            shown=shown,
            keyframes=tuple(at for at in self.keyframes if shown[0] < at <= shown[-1]),
        )


def frames_in(
    container: av.container.InputContainer,
    plan: Plan,
    damage: Damage,
    *,
    begins_late: bool = False,
    ends_early: bool = False,
) -> Frames:
    """The range's frames. Raises `RangeBeyondEnd` when the video ends before it.

    `damage` collects what is damaged among what they need.
    `begins_late`, `ends_early`: the recording goes on before and behind what can be read of it here; when a
    frame from before that may stand at the in-point, this raises `RangeBeyondEnd` too.
    """
    video = video_stream(container, plan.video_stream.index)
    audio = [container.streams[track.source.index] for track in plan.tracks]
    patience = Patience(container.format.name, plan.stop)
    scan: _Scan | None = None
    for back in _STEPS:
        try:
            container.seek(tick_from(plan.start - back, tick_of(video)), stream=video, backward=True)
        except av.error.FFmpegError as error:
            unread = error
            continue
        damage.clear()
        walk = Walk(container, plan, damage)
        scan = _Scan(plan, video, patience, walk, begins_late=begins_late, ends_early=ends_early)
        scan.read(packets(container, [video, *audio], damage))
        # Without a keyframe before the first frame, reading may have begun behind it.
        if scan.entry is not None:
            break
    if scan is None:
        if begins_late:
            raise no_video_yet(plan, plan.stop)
        raise unread
    return scan.frames()


class _Scan:
    def __init__(
        self,
        plan: Plan,
        video: VideoStream,
        patience: Patience,
        walk: Walk,
        *,
        begins_late: bool,
        ends_early: bool,
    ) -> None:
        self._patience = patience
        self._walk = walk
        self._begins_late = begins_late
        self._stands = ends_early
        self._time_base = tick_of(video)
        self._start = tick_from(plan.start, self._time_base)
        self._stop = tick_from(plan.stop, self._time_base)
        self._plan = plan
        self._video = video
        self._is_clean = KeyTest(video)
        self._shown: dict[int, int] = {}
        """How long each frame lasts by its packet."""
        self._before: int | None = None
        self._after: int | None = None
        self._audio_ends: dict[int, Fraction] = {}
        self._keyframes: list[int] = []
        self.entry: int | None = None

    def read(self, packets: Iterable[AnyPacket]) -> None:
        """Read packets until the range is complete."""
        enough = self._stop + int(_AFTER / self._time_base)
        for packet in packets:
            at = packet.pts if packet.pts is not None else packet.dts
            if at is None or packet.size == 0:
                continue
            if packet.stream_index != self._video.index:
                self._walk.see(packet)
                if self._plan.start <= at * packet.time_base < self._plan.stop:
                    self._audio_ends[packet.stream_index] = (at + (packet.duration or 0)) * packet.time_base
                if self._patience.lost(packet):
                    self._stands = True
                    return
                continue
            self._see(packet, at)
            if (packet.dts if packet.dts is not None else at) > enough:
                return

    def _see(self, packet: AnyPacket, at: int) -> None:
        known = self.entry is not None and at <= self.entry
        if at <= self._start and not known and self._is_clean(packet):
            self.entry = at
            self._walk.restart()
        self._walk.see(packet)
        if packet.is_discard:
            return  # an edit list hides it
        if at >= self._stop:
            self._after = at if self._after is None else min(at, self._after)
            return
        if at < self._start:
            if self._before is not None:
                if self._before >= at:
                    return
                del self._shown[self._before]
            self._before = at
        elif packet.is_keyframe and self._is_clean(packet):
            self._keyframes.append(at)
        self._shown[at] = packet.duration or 0

    def frames(self) -> Frames:
        """The result."""
        tick = self._time_base
        video = self._plan.video_stream.video
        usual = usual_frame(sorted(self._shown), video.rate if video else None, tick)
        shown = wanted(list(self._shown), self._start, self._stop, int(STANDS / tick))
        self._check(shown)
        following = self._after
        if following is None:
            following = NEVER if self._stands else shown[-1] + (self._shown[shown[-1]] or usual)
            if following <= self._start:
                raise no_video(self._plan, max(following, 0) * tick)
        start = begin(shown, self._start, self._stop, usual)
        last = max(start, shown[-1])
        end = clamped_end(last, following, self._stop, usual)
        gaps = [b - a for a, b in pairwise([*shown, end])]
        seen = [b - a for a, b in pairwise([start, *shown[1:], end])]
        return Frames(
            first=shown[0] * tick,
            start=start * tick,
            last=last * tick,
            end=end * tick,
            held=end != following,
            count=len(shown),
            shortest=min(*gaps, usual) * tick,
            longest=max(seen) * tick,
            usual=usual * tick,
            entry=None if self.entry is None else self.entry * tick,
            audio_ends=dict(self._audio_ends),
            shown=tuple(shown),
            keyframes=tuple(sorted(set(self._keyframes) & set(shown[1:]))),
        )

    def _check(self, shown: list[int]) -> None:
        """Raise `RangeBeyondEnd` when no frame is shown in the range, or not all that are may be known."""
        late = not shown or (shown[0] - self._start) * self._time_base > STANDS
        if not shown or (late and self._begins_late):
            first = shown[0] if shown else self._after
            if first is None:
                raise no_video(self._plan, Fraction(0))
            raise no_video_yet(self._plan, first * self._time_base)
