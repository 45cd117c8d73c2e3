"""Decodes the frames to encode."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from agent.cutting.formats.packets import AnyPacket
from agent.cutting.plan.outcome import Unsuited


def decoded(
    decoder: VideoCodecContext, packets: Iterable[AnyPacket], frames: Sequence[int]
) -> Iterator[VideoFrame]:
    """Exactly `frames`, by when they are shown, out of `packets`. Raises `Unsuited`."""
    missing = deque(frames)
    for packet in chain(packets, [None]):
        # Before the first of them, only reference frames are needed.
        early = packet is not None and time_of(packet) < frames[0]
        decoder.skip_frame = "NONREF" if early else "DEFAULT"
        for frame in decoder.decode(packet):
            if not missing:
                return
            if frame.pts is None or frame.pts > missing[0]:
                raise Unsuited("not all of its frames can be decoded there")
            if frame.pts == missing[0]:
                missing.popleft()
                yield frame
        if not missing:
            return
    raise Unsuited("not all of its frames can be decoded there")


def time_of(packet: AnyPacket) -> int:
    """When the packet's frame is shown. Raises `Unsuited` when that is unknown."""
    if packet.pts is None:
        raise Unsuited("some of its frames have no time")
    return packet.pts
