"""The copied frames of a smart cut, held back until it is known that none needs one that is not."""

from __future__ import annotations

from collections import deque
from fractions import Fraction

from agent.cutting.formats.dts import WINDOW
from agent.cutting.formats.packets import AnyPacket, pts_of
from agent.cutting.plan.outcome import Unsuited
from agent.cutting.plan.smart import ClipFrames
from agent.cutting.reading.decoding import time_of
from agent.cutting.smart.look_ahead import LookAhead
from agent.cutting.smart.matching_encoder import Matching
from agent.cutting.writing.video_writer import VideoWriter


class CopiedSpan:
    """Takes the packets of the video stream from the beginning of what was read ahead."""

    def __init__(self, writer: VideoWriter, ahead: LookAhead, matching: Matching | None) -> None:
        self._writer = writer
        self._ahead = ahead
        self._matching = matching
        self._taken = 0
        self._keyframe: int | None = None
        """When the first of the copied frames is shown."""
        self._waiting: deque[tuple[int, AnyPacket]] = deque()
        """Frames with their positions."""
        self._written = 0
        self._reached = ahead.head.start
        self._last = (0, 0)
        """Of the frame that is shown last before the out-point: when, and for how long by its packet."""

    @property
    def done(self) -> bool:
        """Whether every frame of the clip has been taken."""
        return self._ahead.scan.complete and self._taken >= len(self._ahead.scan.order)

    @property
    def reached(self) -> Fraction:
        """How far the video was read, in seconds of the recording."""
        return self._reached * self._ahead.range.tick

    def take(self, packet: AnyPacket) -> None:
        """The next packet of the video stream. Raises `Unsuited`."""
        if packet.size == 0:
            return
        pts = time_of(packet)
        self._reached = max(self._reached, packet.dts if packet.dts is not None else pts)
        if self.done:
            return
        position = self._taken
        self._taken += 1
        head, stop = self._ahead.head, self._ahead.range.stop
        if pts < stop and (not position or pts > self._last[0]):
            self._last = pts, packet.duration or 0
        if head.splice is not None and packet.is_discard and head.start <= pts < stop:
            raise Unsuited("an edit list hides some of its frames")
        if position == head.splice:
            self._keyframe = pts
        if self._keyframe is None or pts < self._keyframe:
            return
        self._waiting.append((position, packet))
        if not self._ahead.scan.ending and len(self._waiting) > WINDOW:
            self._write(self._waiting.popleft()[1])

    def over(self, usual: int) -> int:
        """Where the last of the frames ends if none follows; `usual`: its length by their rate."""
        last, duration = self._last
        video = self._ahead.range.plan.video_stream.video
        if last < self._ahead.range.start:
            return last + max(1, duration)
        # A packet's duration is that of decoding, which is useless when frames are reordered.
        reordered = video is not None and video.reorder_frames
        return last + (usual if reordered else duration or usual)

    def finish(self, frames: ClipFrames) -> None:
        """Write those of the clip's copied frames that were held back. Raises `Unsuited`."""
        if self._written > len(frames.copied):
            raise Unsuited("its frames are in an order that can't be cut")
        copied = set(frames.copied[self._written :].tolist())
        for position, packet in self._waiting:
            if position in copied:
                self._write(packet)

    def _write(self, packet: AnyPacket) -> None:
        self._written += 1
        head = self._ahead.head
        pts = pts_of(packet)
        if self._matching is not None:
            packet = self._matching.copied(packet, joint=pts == self._keyframe and bool(head.edge))
        self._writer.put(packet, pts - head.start)
