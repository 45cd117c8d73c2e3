"""Encodes only the first frames of an edge: enough to know about how large all of it would be."""

from __future__ import annotations

from fractions import Fraction
from itertools import count

from av.video.frame import VideoFrame

from agent.cutting.formats.media import StreamInfo
from agent.cutting.formats.packets import AnyPacket, packet_of
from agent.cutting.smart.matching_encoder import EdgeEncoder, Matching, matching

_FRAMES = 48
"""A keyframe, and one to two seconds behind it."""


def sampled(extradata: bytes | None, info: StreamInfo, rate: Fraction | None) -> Matching | None:
    """As `matching`; frames behind the first ones become packets as large as theirs, which show nothing."""
    found = matching(extradata, info, rate)
    return None if found is None else _Sampled(found)


class _Sampled:
    def __init__(self, found: Matching) -> None:
        self._found = found
        self.encoder, self.extradata = found.encoder, found.extradata

    def open(self) -> EdgeEncoder:
        return _Edge(self._found.open())

    def copied(self, packet: AnyPacket, *, joint: bool) -> AnyPacket:
        return self._found.copied(packet, joint=joint)


class _Edge:
    def __init__(self, encoder: EdgeEncoder) -> None:
        self._encoder = encoder
        self._taken = 0
        self._made: list[bytes] = []
        self._over = False
        self._next = count()

    def encode(self, frame: VideoFrame | None) -> list[AnyPacket]:
        """As `Edge.encode`."""
        packets: list[AnyPacket] = []
        if self._taken < _FRAMES or not self._over:
            past = frame is not None and self._taken >= _FRAMES
            packets = self._encoder.encode(None if past else frame)
            self._made += [bytes(packet) for packet in packets]
            self._over = past or frame is None
        if frame is not None:
            self._taken += 1
            if self._over:
                packets.append(self._another(frame))
        return packets

    def _another(self, frame: VideoFrame) -> AnyPacket:
        usual = self._made[1:]  # without the keyframe
        packet = packet_of(usual[next(self._next) % len(usual)])
        packet.pts = frame.pts
        return packet
