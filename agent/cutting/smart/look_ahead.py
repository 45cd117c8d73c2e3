"""Reads a recording from the keyframe before the in-point until the start of a smart cut is known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

from agent.cutting.formats.packets import AnyPacket, pts_of
from agent.cutting.formats.streams import tick_of
from agent.cutting.plan.extent import NEVER, Patience
from agent.cutting.plan.smart import FrameScan, Head, Range
from agent.cutting.reading.decoding import time_of
from agent.cutting.reading.seek import KeyTest, tick_from
from agent.cutting.writing.packet_cut import PacketCut


@dataclass(frozen=True)
class LookAhead:
    """A recording that was read until the clip's head is known."""

    range: Range
    since: Fraction
    """When the keyframe is shown that was read first; seconds on the container's time line."""
    packets: list[AnyPacket]
    """All that were read, video and audio."""
    following: Iterator[AnyPacket]
    """Those after them. They are seen by `scan` as they are read."""
    scan: FrameScan
    head: Head


def look_ahead(cut: PacketCut) -> LookAhead:
    """Read until the clip's head is known. Raises `NoCleanStart`, `Unsuited` and `RangeBeyondEnd`."""
    video = cut.video
    tick = tick_of(video)
    range_ = Range(tick_from(cut.plan.start, tick), tick_from(cut.plan.stop, tick), cut.plan)
    entry = cut.enter()
    scan = FrameScan(range_)
    patience = Patience(cut.container.format.name, cut.plan.stop)
    packets: list[AnyPacket] = []
    following = _scanned(entry.packets, scan, video.index, KeyTest(video))
    stands = cut.ends_early
    for packet in following:
        packets.append(packet)
        if packet.stream_index != video.index and patience.lost(packet):
            stands = True
            break
        if scan.head_known:
            break
    last = max((p for p in packets if p.stream_index == video.index and p.size), key=pts_of)
    head = scan.head(over=NEVER if stands else pts_of(last) + (last.duration or 1))
    return LookAhead(range_, entry.key_pts * tick, packets, following, scan, head)


def _scanned(
    packets: Iterable[AnyPacket], scan: FrameScan, index: int, is_clean: KeyTest
) -> Iterator[AnyPacket]:
    """The packets; those of the video stream `index` are seen by `scan`. Raises `Unsuited`."""
    for packet in packets:
        if packet.stream_index == index and packet.size and not scan.complete:
            scan.take(time_of(packet), partial(is_clean, packet))
        yield packet
