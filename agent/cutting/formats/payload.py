"""Whether a packet's bytes can be what its codec makes. Pure, and cheap: nothing is decoded.

A test finds damage only where it is certain: what some good file holds is none. Flipped bits within a coded
frame are left to the decoder.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import numpy as np

from agent.cutting.formats.nal import length_size

Check = Callable[[memoryview], str | None]
"""What is wrong with a packet; None when nothing is."""

RUN: Final = 128
"""Zero bytes in a row that no coded frame holds. H.264 and HEVC never have even three (emulation prevention),
and MPEG video only as padding before a start code."""
ZEROS: Final = "a run of zeros"
_STRIDE = 8
"""Of eight words one is read: a run of `RUN` bytes holds at least one of these."""
_HEAD = 64
"""Zero bytes that no packet of a compressed stream begins with."""
_LEAST = 16
"""Bytes: shorter packets may be zeros."""
_NOT_ZERO = re.compile(rb"[^\0]")
NO_FRAME: Final = "no frame begins where one should"
_NAL = "broken NAL units"
_LOSSLESS = (
    "pcm_",
    "adpcm_",
    "dsd_",
    "alac",
    "tta",
    "wavpack",
    "rawvideo",
    "dvvideo",
    "v210",
    "prores",
    "dnxhd",
)
"""Digital silence and black may be zeros in these."""
_START_CODED = frozenset({"mpeg1video", "mpeg2video", "mpeg4"})
_DTS_SYNC = frozenset(map(bytes.fromhex, ("7ffe8001", "fe7f0180", "1fffe800", "ff1f00e8", "64582025")))


def structure_check(codec: str, extradata: bytes | None) -> Check | None:
    """The part of `check_for` that reads a few bytes of each packet; None where there is none."""
    size = length_size(codec, extradata)
    if codec in ("h264", "hevc") and size is not None:
        return lambda data: _nal_chain(data, size)
    return _SYNC.get(codec)


def check_for(codec: str, extradata: bytes | None) -> Check | None:
    """The test for a stream's packets; None where there is none. `codec`: libavcodec's name."""
    if codec in ("h264", "hevc"):
        size = length_size(codec, extradata)
        if size is None:
            return _annex_b
        return lambda data: _length_prefixed(data, size)
    if codec in _START_CODED:
        return _unpadded
    if codec == "aac":
        return _aac if extradata else _adts
    if codec in _SYNC:
        return _SYNC[codec]
    if codec.startswith(_LOSSLESS):
        return None
    return _compressed


def may_hold_zeros(data: memoryview) -> bool:
    """Whether there may be a run of at least `RUN` zero bytes: never False when there is one."""
    if len(data) < RUN:
        return False
    return not np.frombuffer(data, np.uint64, len(data) // 8)[::_STRIDE].all()


def zero_runs(data: memoryview) -> list[tuple[int, int]]:
    """Where runs of at least `RUN` zero bytes begin and end."""
    if not may_hold_zeros(data):
        return []
    found = []
    content = bytes(data)
    at = content.find(bytes(RUN))
    while at >= 0:
        rest = _NOT_ZERO.search(content, at + RUN)
        end = len(content) if rest is None else rest.start()
        found.append((at, end))
        at = content.find(bytes(RUN), end)
    return found


def _length_prefixed(data: memoryview, size: int) -> str | None:
    broken = _nal_chain(data, size)
    return ZEROS if zero_runs(data) else broken


def _nal_chain(data: memoryview, size: int) -> str | None:
    at, end = 0, len(data)
    while at < end:
        start = at + size
        length = int.from_bytes(data[at:start], "big")
        at = start + length
        if length == 0 and _blank(data[start : start + RUN]):
            return ZEROS if end - start >= RUN else None  # a little padding
        if at > end or (length and data[start] & 0x80):
            return _NAL
    return None


def _annex_b(data: memoryview) -> str | None:
    head = bytes(data[:RUN])
    at = head.find(b"\x00\x00\x01")
    if at < 0 or not _blank(data[:at]):
        return ZEROS if zero_runs(data) else _NAL
    if at + 3 < len(head) and head[at + 3] & 0x80:
        return _NAL
    return _unpadded(data)


def _unpadded(data: memoryview) -> str | None:
    """A run of zeros that is no padding before a start code or at the packet's end."""
    for _, end in zero_runs(data):
        if end < len(data) and data[end] != 1:
            return ZEROS
    return _compressed(data)


def _compressed(data: memoryview) -> str | None:
    return ZEROS if len(data) >= _LEAST and _blank(data[:_HEAD]) else None


def _blank(data: memoryview) -> bool:
    return _NOT_ZERO.search(data) is None


def _aac(data: memoryview) -> str | None:
    if len(data) > 1 and data[0] == 0xFF and data[1] & 0xF6 == 0xF0:
        return None  # ADTS all the same
    return _compressed(data)


def _adts(data: memoryview) -> str | None:
    at, end = 0, len(data)
    while at + 7 <= end:
        if data[at] != 0xFF or data[at + 1] & 0xF6 != 0xF0:
            return NO_FRAME
        length = (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
        if length < 7 or at + length > end:
            return NO_FRAME
        at += length
    return None


def _mpeg_audio(data: memoryview) -> str | None:
    return None if len(data) < 4 or (data[0] == 0xFF and data[1] & 0xE0 == 0xE0) else NO_FRAME


def _latm(data: memoryview) -> str | None:
    return None if len(data) < 3 or (data[0] == 0x56 and data[1] & 0xE0 == 0xE0) else NO_FRAME


def _ac3(data: memoryview) -> str | None:
    return None if len(data) < 5 or bytes(data[:2]) in (b"\x0b\x77", b"\x77\x0b") else NO_FRAME


def _dts(data: memoryview) -> str | None:
    return None if len(data) < 8 or bytes(data[:4]) in _DTS_SYNC else NO_FRAME


_SYNC: Final[dict[str, Check]] = {
    "mp1": _mpeg_audio,
    "mp2": _mpeg_audio,
    "mp3": _mpeg_audio,
    "aac_latm": _latm,
    "ac3": _ac3,
    "eac3": _ac3,
    "dts": _dts,
}
