"""Encodes a part of an edge's frames: enough to know about how large all of it would be."""

from __future__ import annotations

from fractions import Fraction

from av.video.frame import VideoFrame

from agent.cutting.formats.media import StreamInfo
from agent.cutting.formats.packets import AnyPacket, packet_of
from agent.cutting.smart.matching_encoder import EdgeEncoder, Matching, matching

_FIRST = 250
"""Frames at the beginning of an edge that are all encoded: with GOPs of up to 10 s at 25 frames a second, an
edge is exact. Runs are up to half larger, as the encoder recovers from each jump."""
_PERIOD, _RUN = 32, 9
"""Behind them, a run of 9 frames out of every 32 is encoded, as the content may change."""


def sampled(extradata: bytes | None, info: StreamInfo, rate: Fraction | None) -> Matching | None:
    """As `matching`; frames that are not encoded become packets of others, which show nothing."""
    found = matching(extradata, info, rate)
    return None if found is None else _Sampled(found)


def is_encoded(position: int) -> bool:
    """Whether the frame at a position of an edge is encoded."""
    return position < _FIRST or (position - _FIRST) % _PERIOD >= _PERIOD - _RUN


def stands_for(position: int, count: int) -> int:
    """The position of the frame whose packet is used for one, in an edge of `count` frames."""
    if position < _FIRST:
        return position
    period, within = divmod(position - _FIRST, _PERIOD)
    # The first of a run differs from the frame that the encoder had before it: its packet is too large.
    run = _FIRST + (period + 1) * _PERIOD - _RUN + 1
    if within > _PERIOD - _RUN:
        return position
    if run + _RUN - 1 <= count:
        return run + within % (_RUN - 1)
    last = run - _PERIOD if period else _FIRST - _RUN + 1
    return last + within % (_RUN - 1)


class _Sampled:
    def __init__(self, found: Matching) -> None:
        self._found = found
        self.encoder, self.extradata = found.encoder, found.extradata

    def open(self) -> EdgeEncoder:
        return _Edge(self._found.open())

    def copied(self, packet: AnyPacket, *, joint: bool) -> AnyPacket:
        return self._found.copied(packet, joint=joint)


class _Edge:
    """Gives all packets at the end, when it is known which stand for others."""

    def __init__(self, encoder: EdgeEncoder) -> None:
        self._encoder = encoder
        self._times: list[int | None] = []
        self._made: list[AnyPacket] = []

    def encode(self, frame: VideoFrame | None) -> list[AnyPacket]:
        """As `Edge.encode`."""
        if frame is not None:
            position = len(self._times)
            self._times.append(frame.pts)
            if is_encoded(position):
                self._made += self._encoder.encode(frame)
            return []
        self._made += self._encoder.encode(None)
        count = len(self._times)
        encoded = dict(zip(filter(is_encoded, range(count)), self._made, strict=True))
        return [
            _at(encoded[stands_for(position, count)], pts, first=position == 0)
            for position, pts in enumerate(self._times)
        ]


def _at(packet: AnyPacket, pts: int | None, *, first: bool) -> AnyPacket:
    if packet.pts == pts:
        return packet
    copy = packet_of(bytes(packet))
    copy.pts, copy.is_keyframe = pts, first
    return copy
