"""Packets made here, of bytes that came from no demuxer."""

from __future__ import annotations

from typing import Any

import av


def packet_of(payload: bytes) -> Any:
    """A packet that holds a copy of `payload`, in libav's own memory.

    `av.Packet(payload)` would lend libav the bytes themselves, and giving them back takes the interpreter's
    lock: a decoder that is freed while its threads hold packets waits for these threads with the lock in
    hand, for ever. Nor have such bytes the zeros behind them that decoders read ahead into.
    """
    packet: Any = av.Packet(len(payload))
    if payload:
        packet.update(payload)
    return packet
