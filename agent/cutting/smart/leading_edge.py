"""The beginning of a smart cut: where copying can begin, and which frames before that are encoded anew."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from av.video.stream import VideoStream

from agent.cutting.formats.dts import WINDOW
from agent.cutting.formats.packets import AnyPacket, pts_of
from agent.cutting.formats.streams import tick_of
from agent.cutting.plan.extent import STANDS, Patience, begin, usual_frame, wanted
from agent.cutting.plan.outcome import Unsuited
from agent.cutting.plan.plan import Plan, no_picture, no_picture_yet
from agent.cutting.reading.seek import REACH, Entry, KeyTest, tick_from

SETTLED = WINDOW // 2
"""Pictures after which no earlier one follows in decoding order: H.264 and HEVC reorder by at most 16."""


@dataclass(frozen=True)
class Opening:
    """The recording around the in-point. Times are ticks of the video stream."""

    packets: list[AnyPacket]
    """All that was read, picture and sound."""
    order: list[int]
    """When the pictures among them are shown."""
    edge: list[int]
    """The frames to encode, by when the recording shows them; the first may stand there already."""
    joint: int | None
    """The keyframe that copying begins with; None when the clip ends before one."""
    zero: int
    """When the clip begins."""


def look_ahead(
    entry: Entry, video: VideoStream, plan: Plan, patience: Patience, *, ends_early: bool
) -> Opening:
    """Read until it is known where copying begins, and which frames come before that.

    `ends_early`: the recording goes on behind what can be read of it here.
    Raises `Unsuited` and `RangeBeyondEnd`.
    """
    tick = tick_of(video)
    start, stop = tick_from(plan.start, tick), tick_from(plan.stop, tick)
    is_clean = KeyTest(video)
    packets: list[AnyPacket] = []
    pictures: list[AnyPacket] = []
    joint: int | None = None
    settling = 0
    for packet in entry.packets:
        packets.append(packet)
        if packet.stream_index != video.index or packet.size == 0:
            if patience.lost(packet):
                ends_early = True
                break
            continue
        pts = time_of(packet)
        pictures.append(packet)
        if joint is None and start <= pts < stop and is_clean(packet):
            joint = pts
        if joint is not None or pts >= stop:
            settling += 1
        elif (pts - start) * tick > REACH:
            raise Unsuited(f"there is no clean keyframe within {float(REACH):.0f} s after the start")
        if settling > SETTLED:
            break
    order = [pts_of(packet) for packet in pictures]
    upto = stop if joint is None else joint + 1
    frames = wanted(order, start, upto, int(STANDS / tick))
    if joint is None:
        _check_standing(pictures, frames, start, plan, tick, stands=ends_early)
    rate = plan.movie.video.rate if plan.movie.video else None
    zero = begin(frames, start, stop, usual_frame(sorted(order), rate, tick))
    return Opening(packets, order, [pts for pts in frames if pts != joint], joint, zero)


def _check_standing(
    pictures: list[AnyPacket], edge: list[int], start: int, plan: Plan, tick: Fraction, *, stands: bool
) -> None:
    """A frame from before the range is only seen in it if it has not ended yet. Raises `RangeBeyondEnd`."""
    if not edge:
        raise no_picture_yet(plan, min(pts_of(packet) for packet in pictures) * tick)
    last = max(pictures, key=pts_of)
    end = pts_of(last) + (last.duration or 1)
    if end <= start and not stands:
        raise no_picture(plan, end * tick)


def time_of(packet: AnyPacket) -> int:
    """When the packet's picture is shown. Raises `Unsuited` when nothing says so."""
    if packet.pts is None:
        raise Unsuited("some of its frames have no time")
    return packet.pts
