"""Decoding frames that are to be encoded anew."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain

from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from agent.cutting.formats.packets import AnyPacket, pts_of
from agent.cutting.plan.outcome import Unsuited


def decoded(
    decoder: VideoCodecContext, packets: Iterable[AnyPacket], frames: list[int]
) -> Iterator[VideoFrame]:
    """Exactly `frames`, by when they are shown, out of `packets`. Raises `Unsuited`."""
    missing = deque(frames)
    for packet in chain(packets, [None]):
        # On the way to the first of them, only what others are built on is needed.
        early = packet is not None and pts_of(packet) < frames[0]
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
