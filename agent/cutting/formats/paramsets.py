"""Parameter sets: which a recording has, and how those of re-encoded frames live beside them. Pure.

H.264 (ISO/IEC 14496-15, 5.3.3): the edges' sets get an id of their own, and the clip's `avcC` holds both.
HEVC: sets stand in the packets, before each keyframe; a CRA picture behind an edge becomes a BLA picture, so
that nothing is expected before it (ITU-T H.265, 7.4.2.2).
"""

from __future__ import annotations

from agent.cutting.formats.nal import joined, units

H264_SLICES = frozenset({1, 2, 3, 4, 5})
_SEI, _SPS, _PPS = 6, 7, 8
_SEI_BY_NOBODY = 5
"""`user_data_unregistered`: x264's version. A decoder that reads it works around that version's errors, in
the recording's own frames too."""
_IDS = 32
_MOST_SPS, _MOST_PPS = 31, 255
"""What the counts in `avcC` can hold: 5 and 8 bits."""
_HEVC_SETS = frozenset({32, 33, 34})
_HEVC_DELIMITER = 35
_CRA, _BLA_N_LP = 21, 18


class Malformed(Exception):
    """The stream's headers are damaged."""


def h264_sets(extradata: bytes) -> list[bytes]:
    """The parameter sets in a stream's extradata, `avcC` or Annex B. Raises `Malformed`."""
    if not extradata or extradata[0] != 1:
        return [unit for unit in units(extradata, None) if unit[0] & 0x1F in (_SPS, _PPS)]
    sequence, at = _counted(extradata, 5, 0x1F)
    picture, _ = _counted(extradata, at, 0xFF)
    return sequence + picture


def free_h264_id(sets: list[bytes]) -> int:
    """An id that no set has. Raises `Malformed` when there is none."""
    used = {_h264_id(unit) for unit in sets}
    for number in reversed(range(_IDS)):
        if number not in used:
            return number
    raise Malformed("all ids are used")


def with_h264_sets(extradata: bytes, more: list[bytes]) -> bytes:
    """The extradata with further parameter sets, in its own format. Raises `Malformed`."""
    if not extradata or extradata[0] != 1:
        return extradata + joined(more, None)
    sequence, at = _counted(extradata, 5, 0x1F)
    picture, rest = _counted(extradata, at, 0xFF)
    sequence += [unit for unit in more if unit[0] & 0x1F == _SPS]
    picture += [unit for unit in more if unit[0] & 0x1F == _PPS]
    if len(sequence) > _MOST_SPS or len(picture) > _MOST_PPS:
        raise Malformed("the header has no room for more parameter sets")
    return b"".join(
        [
            extradata[:5],
            bytes([0xE0 | len(sequence)]),
            joined(sequence, 2),
            bytes([len(picture)]),
            joined(picture, 2),
            extradata[rest:],
        ]
    )


def h264_edge(payload: bytes, size: int | None) -> bytes:
    """An encoder's Annex B packet as the clip holds it: pictures and captions, without parameter sets."""
    kept = [u for u in units(payload, None) if u[0] & 0x1F in H264_SLICES or _is_message(u)]
    return joined(kept, size)


def _is_message(unit: bytes) -> bool:
    return unit[0] & 0x1F == _SEI and len(unit) > 1 and unit[1] != _SEI_BY_NOBODY


def hevc_sets(extradata: bytes) -> list[bytes]:
    """The parameter sets in a stream's extradata, `hvcC` or Annex B. Raises `Malformed`."""
    if not extradata or extradata[0] != 1:
        return [unit for unit in units(extradata, None) if _hevc_type(unit) in _HEVC_SETS]
    found: list[bytes] = []
    at = 23
    for _ in range(_byte(extradata, 22)):
        count = _byte(extradata, at + 1) << 8 | _byte(extradata, at + 2)
        more, at = _list(extradata, at + 3, count)
        found += [unit for unit in more if _hevc_type(unit) in _HEVC_SETS]
    return found


def hevc_edge(payload: bytes, size: int | None) -> bytes:
    """An encoder's Annex B packet as the clip holds it."""
    return joined([u for u in units(payload, None) if _hevc_type(u) != _HEVC_DELIMITER], size)


def hevc_key(payload: bytes, size: int | None, sets: list[bytes], *, joint: bool) -> bytes:
    """A copied keyframe with its parameter sets before it; at a `joint` no frame before it is expected."""
    found = units(payload, size)
    if {_hevc_type(unit) for unit in found} >= _HEVC_SETS:
        sets = []
    if joint:
        found = [_as_bla(unit) if _hevc_type(unit) == _CRA else unit for unit in found]
    delimiter = [unit for unit in found if _hevc_type(unit) == _HEVC_DELIMITER]
    return joined([*delimiter, *sets, *(u for u in found if _hevc_type(u) != _HEVC_DELIMITER)], size)


def _as_bla(unit: bytes) -> bytes:
    return bytes([unit[0] & 0x81 | _BLA_N_LP << 1]) + unit[1:]


def _hevc_type(unit: bytes) -> int:
    return unit[0] >> 1 & 0x3F


def _h264_id(unit: bytes) -> int:
    # An SPS begins with profile, constraints and level; a PPS with its id.
    start = 4 if unit[0] & 0x1F == _SPS else 1
    return _exp_golomb(unit[start : start + 4])


def _exp_golomb(data: bytes) -> int:
    """The first ue(v) of `data` (ITU-T H.264, 9.1)."""
    bits = "".join(f"{byte:08b}" for byte in data)
    zeros = bits.find("1")
    if zeros < 0 or len(bits) < 2 * zeros + 1:
        raise Malformed("an id is cut off")
    return int(bits[zeros : 2 * zeros + 1], 2) - 1


def _counted(data: bytes, at: int, mask: int) -> tuple[list[bytes], int]:
    return _list(data, at + 1, _byte(data, at) & mask)


def _list(data: bytes, at: int, count: int) -> tuple[list[bytes], int]:
    """`count` units, each behind two bytes of length; and where they end."""
    found = []
    for _ in range(count):
        size = _byte(data, at) << 8 | _byte(data, at + 1)
        found.append(data[at + 2 : at + 2 + size])
        if size == 0 or len(found[-1]) != size:
            raise Malformed("a parameter set is cut off")
        at += 2 + size
    return found, at


def _byte(data: bytes, at: int) -> int:
    if at >= len(data):
        raise Malformed("the header is cut off")
    return data[at]
