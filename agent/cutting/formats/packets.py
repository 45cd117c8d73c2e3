"""Packets made here, of bytes that came from no demuxer, and what their types leave open."""

from __future__ import annotations

from typing import TypeAlias

import av
from av.packet import Packet
from av.stream import Stream

AnyPacket: TypeAlias = "Packet[Stream]"
"""A packet of any kind of stream. PyAV's class is generic in its type stubs only, hence the quotes."""


def packet_of(payload: bytes) -> AnyPacket:
    """A packet that holds a copy of `payload`, in libav's own memory.

    `av.Packet(payload)` would lend libav the bytes themselves, and giving them back takes the interpreter's
    lock: a decoder that is freed while its threads hold packets waits for these threads with the lock in
    hand, for ever. Nor have such bytes the zeros behind them that decoders read ahead into.
    """
    packet = av.Packet(len(payload))
    if payload:
        packet.update(payload)
    return packet


def pts_of(packet: AnyPacket) -> int:
    """The presentation time of a packet that is known to have one."""
    assert packet.pts is not None
    return packet.pts


def dts_of(packet: AnyPacket) -> int:
    """The decoding time of a packet that is known to have one."""
    assert packet.dts is not None
    return packet.dts
