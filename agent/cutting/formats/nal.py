"""NAL units of H.264 and HEVC: packets taken apart and put together, and what a decoder may begin with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from agent.cutting.formats.bits import Malformed

_START_CODE = b"\x00\x00\x01"
_MARKER = b"\x00\x00\x00\x01"


def nal_headers(payload: memoryview, length_size: int | None) -> Iterator[int]:
    """The first byte of each NAL unit.

    `length_size`: bytes of the length before each unit (MP4, Matroska); None for Annex B start codes.
    """
    if length_size is None:
        data = bytes(payload)
        at = data.find(_START_CODE)
        while 0 <= at < len(data) - 3:
            yield data[at + 3]
            at = data.find(_START_CODE, at + 3)
        return
    at = 0
    while at + length_size < len(payload):
        yield payload[at + length_size]
        at += length_size + int.from_bytes(payload[at : at + length_size], "big")


def units(payload: bytes, length_size: int | None) -> list[bytes]:
    """The NAL units, without their delimiters and without empty ones; see `nal_headers`."""
    if length_size is None:
        parts = payload.split(_START_CODE)[1:]
        # A zero before a start code belongs to it; no unit ends with one.
        return [unit for part in parts if (unit := part.rstrip(b"\x00"))]
    found, at = [], 0
    while at + length_size < len(payload):
        start = at + length_size
        at = start + int.from_bytes(payload[at:start], "big")
        if at > start:
            found.append(payload[start:at])
    return found


def joined(parts: Iterable[bytes], length_size: int | None) -> bytes:
    """A packet's payload out of NAL units."""
    if length_size is None:
        return b"".join(_MARKER + part for part in parts)
    return b"".join(len(part).to_bytes(length_size, "big") + part for part in parts)


def length_size(codec: str, extradata: bytes | None) -> int | None:
    """How the packets of a stream delimit NAL units, by its extradata: see `nal_headers`."""
    if not extradata or extradata[0] != 1:
        return None  # Annex B, or nothing known
    if codec == "h264" and len(extradata) > 4:
        return (extradata[4] & 3) + 1
    if codec == "hevc" and len(extradata) > 21:
        return (extradata[21] & 3) + 1
    return None


def starts_clean(codec: str, payload: memoryview, length_size: int | None) -> bool:
    """Whether decoding can begin here and every later frame is right.

    H.264: an IDR frame. A recovery point of an open GOP is not enough: Chromium refuses a file that begins
    with one. HEVC: any IRAP frame (IDR, BLA, CRA); what leads it is dropped.
    """
    if codec == "h264":
        return any(header & 0x1F == 5 for header in nal_headers(payload, length_size))
    return any(16 <= (header >> 1) & 0x3F <= 21 for header in nal_headers(payload, length_size))


def unit_list(data: bytes, at: int, count: int) -> tuple[list[bytes], int]:
    """`count` units, each behind two bytes of length; and where they end."""
    found = []
    for _ in range(count):
        size = byte_at(data, at) << 8 | byte_at(data, at + 1)
        found.append(data[at + 2 : at + 2 + size])
        if size == 0 or len(found[-1]) != size:
            raise Malformed("a parameter set is cut off")
        at += 2 + size
    return found, at


def byte_at(data: bytes, at: int) -> int:
    if at >= len(data):
        raise Malformed("the header is cut off")
    return data[at]
