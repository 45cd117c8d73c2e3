"""H.264 parameter sets: which a recording has, and how those of re-encoded frames join them. Pure.

The edges' sets get an id of their own, and the clip's `avcC` holds both (ISO/IEC 14496-15, 5.3.3).
"""

from __future__ import annotations

from agent.cutting.formats.bits import Malformed, bits, ue
from agent.cutting.formats.nal import byte_at, joined, unit_list, units

SLICES = frozenset({1, 2, 3, 4, 5})
_SEI, _SPS, _PPS = 6, 7, 8
_SEI_UNREGISTERED = 5
"""`user_data_unregistered`: x264's version. A decoder that reads it works around bugs of that version, in the
recording's frames too."""
_IDS = 32
_MOST_SPS, _MOST_PPS = 31, 255
"""What the counts in `avcC` can hold: 5 and 8 bits."""


def sets_of(extradata: bytes) -> list[bytes]:
    """The parameter sets in a stream's extradata, `avcC` or Annex B. Raises `Malformed`."""
    if not extradata or extradata[0] != 1:
        return [unit for unit in units(extradata, None) if unit[0] & 0x1F in (_SPS, _PPS)]
    sps, at = _counted(extradata, 5, 0x1F)
    pps, _ = _counted(extradata, at, 0xFF)
    return sps + pps


def free_id(sets: list[bytes]) -> int:
    """An id that no set has. Raises `Malformed` when there is none."""
    used = {_id(unit) for unit in sets}
    for number in reversed(range(_IDS)):
        if number not in used:
            return number
    raise Malformed("all ids are used")


def contradict(sets: list[bytes]) -> bool:
    """Whether two different sets of a kind have one id, so that a decoder could not know which is meant.

    Raises `Malformed`.
    """
    distinct = set(sets)
    return len({(unit[0] & 0x1F, _id(unit)) for unit in distinct}) < len(distinct)


def with_sets(extradata: bytes, more: list[bytes]) -> bytes:
    """The extradata with further parameter sets, in its own format. Raises `Malformed`."""
    if not extradata or extradata[0] != 1:
        return extradata + joined(more, None)
    sps, at = _counted(extradata, 5, 0x1F)
    pps, rest = _counted(extradata, at, 0xFF)
    sps += [unit for unit in more if unit[0] & 0x1F == _SPS]
    pps += [unit for unit in more if unit[0] & 0x1F == _PPS]
    if len(sps) > _MOST_SPS or len(pps) > _MOST_PPS:
        raise Malformed("the header has no room for more parameter sets")
    return b"".join(
        [
            extradata[:5],
            bytes([0xE0 | len(sps)]),
            joined(sps, 2),
            bytes([len(pps)]),
            joined(pps, 2),
            extradata[rest:],
        ]
    )


def edge(payload: bytes, size: int | None) -> bytes:
    """An encoder's Annex B packet as the clip holds it: slices and captions, without parameter sets."""
    kept = [u for u in units(payload, None) if u[0] & 0x1F in SLICES or _is_message(u)]
    return joined(kept, size)


def _is_message(unit: bytes) -> bool:
    return unit[0] & 0x1F == _SEI and len(unit) > 1 and unit[1] != _SEI_UNREGISTERED


def _id(unit: bytes) -> int:
    # An SPS begins with profile, constraints and level; a PPS with its id.
    start = 4 if unit[0] & 0x1F == _SPS else 1
    return ue(bits(unit[start : start + 4]))[0]


def _counted(data: bytes, at: int, mask: int) -> tuple[list[bytes], int]:
    return unit_list(data, at + 1, byte_at(data, at) & mask)
