"""Writes frames in decoding order, with their times in the clip."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from math import floor

from av.stream import Stream

from agent.cutting.formats.dts import WINDOW, DecodeTimes
from agent.cutting.formats.media import VideoInfo
from agent.cutting.formats.packets import AnyPacket, pts_of
from agent.cutting.plan.extent import LONGEST_USUAL, usual_frame
from agent.cutting.writing.muxer import Sink


class VideoWriter:
    """The clip's video while it is written. All times in ticks, counted from the clip's first frame."""

    def __init__(
        self, sink: Sink, out: Stream, time_base: Fraction, info: VideoInfo, order: list[int] | None = None
    ) -> None:
        """`order`: when the recording's frames are shown, in decoding order, as far as read; says how long
        a decoder must wait. None: the clip's own first frames say it."""
        self._sink = sink
        self._out = out
        self._time_base = time_base
        self.usual = max(1, round(1 / info.rate / time_base)) if info.rate else 1
        """The usual ticks from one frame to the next."""
        self._longest_usual = floor(LONGEST_USUAL / time_base)
        self._rate = info.rate
        self._reorder = info.reorder_frames
        self._pending: list[AnyPacket] = []
        self._times = None if order is None else self._numbering(order)
        self._last_duration = 0
        self.last = -1
        """When the last frame so far is shown."""
        self.shown: list[int] = []

    @property
    def end(self) -> int:
        """Where the last frame ends, unless a following one is known."""
        return max(self.last + self._last_duration, self.last + 1)

    def put(self, packet: AnyPacket, pts: int) -> None:
        """The next packet in decoding order, shown at `pts`."""
        packet.pts = pts
        self.shown.append(pts)
        if pts > self.last:
            self.last = pts
            # A packet's duration is that of decoding, which is useless when frames are reordered.
            self._last_duration = self.usual if self._reorder else packet.duration or self.usual
        packet.duration = min(packet.duration or 0, self._longest_usual)
        self._pending.append(packet)
        if self._times is not None:
            self._number(pts)
        elif len(self._pending) > WINDOW:
            self._begin()

    @property
    def usual_frame(self) -> int:
        """The usual ticks from one frame to the next, by the frames written so far; bounded."""
        return usual_frame(sorted(self.shown), self._rate, self._time_base)

    def finish(self, end: int) -> None:
        """Write what is still waiting for its decoding time; the last frame is shown until `end`.

        Raises `Unsortable`.
        """
        if self._times is None:
            self._begin()
        assert self._times is not None
        for packet in self._pending:
            # A muxer takes a stream's length from the last packet, and its end from the one shown last.
            last = packet is self._pending[-1] or packet.pts == self.last
            packet.duration = end - self.last if last else min(packet.duration or 0, end - pts_of(packet))
        for packet, dts in zip(self._pending, self._times.flush(), strict=True):
            self._send(packet, dts)
        self._pending.clear()

    def longest(self, end: int) -> Fraction:
        """The longest time between two frames, in seconds; `end`: where the last one ends."""
        shown = sorted(self.shown)
        gaps = [b - a for a, b in pairwise([*shown, end])]
        return max(gaps, default=0) * self._time_base

    def _begin(self) -> None:
        first = [pts_of(p) for p in self._pending]
        self._times = self._numbering(first)
        for pts in first:
            self._number(pts)

    def _numbering(self, order: list[int]) -> DecodeTimes:
        delay = DecodeTimes.delay_for(order)
        return DecodeTimes(max(delay, self._reorder * self.usual))

    def _number(self, pts: int) -> None:
        assert self._times is not None
        dts = self._times.push(pts)
        if dts is not None:
            self._send(self._pending.pop(0), dts)

    def _send(self, packet: AnyPacket, dts: int) -> None:
        packet.dts = dts
        self._sink.write(packet, self._out)
