"""The beginning of a smart cut: where copying can begin, and which frames before that are encoded anew."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from agent.cutting.formats.dts import WINDOW
from agent.cutting.plan.extent import STANDS, Patience, begin, usual_frame, wanted
from agent.cutting.plan.outcome import Unsuited
from agent.cutting.plan.plan import Plan, no_picture, no_picture_yet
from agent.cutting.reading.seek import REACH, Entry, KeyTest, tick_from

SETTLED = WINDOW // 2
"""Pictures after which no earlier one follows in decoding order: H.264 and HEVC reorder by at most 16."""


@dataclass(frozen=True)
class Opening:
    """The recording around the in-point. Times are ticks of the video stream."""

    packets: list[Any]
    """All that was read, picture and sound."""
    order: list[int]
    """When the pictures among them are shown."""
    edge: list[int]
    """The frames to encode, by when the recording shows them; the first may stand there already."""
    joint: int | None
    """The keyframe that copying begins with; None when the clip ends before one."""
    zero: int
    """When the clip begins."""


def look_ahead(entry: Entry, video: Any, plan: Plan, patience: Patience, *, ends_early: bool) -> Opening:
    """Read until it is known where copying begins, and which frames come before that.

    `ends_early`: the recording goes on behind what can be read of it here.
    Raises `Unsuited` and `RangeBeyondEnd`.
    """
    start, stop = tick_from(plan.start, video.time_base), tick_from(plan.stop, video.time_base)
    is_clean = KeyTest(video)
    packets: list[Any] = []
    pictures: list[Any] = []
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
        elif (pts - start) * video.time_base > REACH:
            raise Unsuited(f"there is no clean keyframe within {float(REACH):.0f} s after the start")
        if settling > SETTLED:
            break
    order = [packet.pts for packet in pictures]
    upto = stop if joint is None else joint + 1
    frames = wanted(order, start, upto, int(STANDS / video.time_base))
    if joint is None:
        _check_standing(pictures, frames, start, plan, video.time_base, stands=ends_early)
    rate = plan.movie.video.rate if plan.movie.video else None
    zero = begin(frames, start, stop, usual_frame(sorted(order), rate, video.time_base))
    return Opening(packets, order, [pts for pts in frames if pts != joint], joint, zero)


def _check_standing(
    pictures: list[Any], edge: list[int], start: int, plan: Plan, tick: Fraction, *, stands: bool
) -> None:
    """A frame from before the range is only seen in it if it has not ended yet. Raises `RangeBeyondEnd`."""
    if not edge:
        raise no_picture_yet(plan, min(packet.pts for packet in pictures) * tick)
    last = max(pictures, key=lambda packet: packet.pts)
    end = last.pts + (last.duration or 1)
    if end <= start and not stands:
        raise no_picture(plan, end * tick)


def time_of(packet: Any) -> int:
    """When the packet's picture is shown. Raises `Unsuited` when nothing says so."""
    if packet.pts is None:
        raise Unsuited("some of its frames have no time")
    return int(packet.pts)
