"""The middle of a smart cut: what is copied, and up to where it can be."""

from __future__ import annotations

from collections import deque

from agent.cutting.formats.dts import WINDOW
from agent.cutting.formats.packets import AnyPacket, pts_of
from agent.cutting.plan.outcome import Unsuited
from agent.cutting.reading.seek import KeyTest
from agent.cutting.smart.leading_edge import SETTLED, Opening, time_of
from agent.cutting.smart.matching_encoder import Matching
from agent.cutting.smart.splice_points import closing
from agent.cutting.writing.video_writer import PictureWriter


class Middle:
    """The copied pictures: held back until it is known that none of them needs one that is not copied."""

    def __init__(
        self,
        writer: PictureWriter,
        opening: Opening,
        stop: int,
        matching: Matching | None,
        is_clean: KeyTest,
    ) -> None:
        self._writer = writer
        self._opening = opening
        self._zero = opening.zero
        self._stop = stop
        self._matching = matching
        self._is_clean = is_clean
        self._begun = False
        self._waiting: deque[AnyPacket] = deque()
        self._settling = 0
        self.reached = opening.zero
        """How far the recording has been read."""
        self.following: int | None = None
        """When the first frame behind the clip is shown."""

    @property
    def done(self) -> bool:
        """Whether every frame of the clip has been seen."""
        return self._settling > SETTLED

    def take(self, packet: AnyPacket) -> None:
        """The next picture of the recording."""
        if packet.size == 0:
            return
        pts = time_of(packet)
        self.reached = max(self.reached, packet.dts if packet.dts is not None else pts)
        if self.done:
            return
        if pts >= self._stop:
            self.following = pts if self.following is None else min(pts, self.following)
        if self.following is not None:
            self._settling += 1
        if not self._copied(packet, pts):
            return
        self._waiting.append(packet)
        if self.following is None and len(self._waiting) > WINDOW:
            self._put(self._waiting.popleft())

    def _copied(self, packet: AnyPacket, pts: int) -> bool:
        joint = self._opening.joint
        if joint is None:
            return False
        if pts == joint:
            self._begun = True
        if packet.is_discard and self._zero <= pts < self._stop:
            raise Unsuited("an edit list hides some of its frames")
        if pts < joint and self._begun and self._zero <= pts and pts not in self._opening.edge:
            raise Unsuited("the order of its frames is damaged")
        return self._begun and pts >= joint

    def finish(self) -> list[int]:
        """Write what can still be copied; when the frames that can't are shown, up to the clip's end."""
        if self._opening.joint is None:
            return []
        written = self._writer.last + self._zero
        order = [pts_of(packet) for packet in self._waiting]
        count = closing(order, written, self._stop)
        if count is None:
            raise Unsuited("its frames are in an order that can't be cut")
        for _ in range(count):
            self._put(self._waiting.popleft())
        return sorted(pts for pts in order[count:] if pts < self._stop)

    def _put(self, packet: AnyPacket) -> None:
        pts = pts_of(packet)
        if self._matching is not None and self._is_clean(packet):
            at_joint = pts == self._opening.joint and bool(self._opening.edge)
            packet = self._matching.key(packet, joint=at_joint)
        self._writer.put(packet, pts - self._zero)
