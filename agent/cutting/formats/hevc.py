"""HEVC parameter sets: which a recording has, and how those of re-encoded frames join them. Pure.

A clip named `hvc1`, the only name that Apple's players accept, has its parameter sets in its header and
nowhere else (ISO/IEC 14496-15, 8.3.2). One `hvcC` then holds the recording's sets and the edges'. libx265
gives its sets the numbers that nearly every recording uses, so the edges' sets and slices are renumbered.
Copied frames stay as they are, except that a CRA frame that follows an edge becomes a BLA frame, which
drops its leading frames (ITU-T H.265, 7.4.2.2).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from agent.cutting.formats.bits import Malformed, bits, escaped, from_bits, ue, ue_code, unescaped
from agent.cutting.formats.nal import byte_at, joined, nal_headers, unit_list, units

_VPS, _SPS, _PPS, _DELIMITER = 32, 33, 34, 35
_SETS = frozenset({_VPS, _SPS, _PPS})
_SLICES = frozenset({*range(10), *range(16, 22)})
_IRAP = frozenset(range(16, 24))
_CRA, _BLA_N_LP = 21, 18
_NUMBERS = 16
"""Of a VPS or SPS: 0 to 15. A PPS has 0 to 63."""
_MOST_PPS = 64
_SHIFT = 8
"""Bits by which the number in a slice grows: a whole byte, so that all that follows keeps its alignment."""
_SLICE_HEAD = 8
"""Bytes of a slice that hold its PPS number: at most 2 bits and 13."""
_PROFILE_BITS, _SUB_LAYER_PROFILE_BITS, _LEVEL_BITS = 96, 88, 8
_HVCC_HEADER = 22
_COMPLETE = 0x80
"""In `hvcC`: all sets of this type are here, none in the packets."""


class SetsChange(Exception):
    """A copied packet has a parameter set that the clip's header does not."""


@dataclass(frozen=True)
class Numbers:
    """The numbers that a VPS, an SPS and a PPS have."""

    vps: int
    sps: int
    pps: int

    def of_set(self, unit: bytes) -> bytes:
        """A parameter set with these numbers. Raises `Malformed`."""
        kind, raw = _type(unit), unescaped(unit)
        header, text = raw[:2], _without_trailing(bits(raw[2:]))
        if kind == _VPS:
            text = f"{self.vps:04b}" + text[4:]
        elif kind == _SPS:
            start = _profile_end(text)
            _, end = ue(text, start)
            text = f"{self.vps:04b}" + text[4:start] + ue_code(self.sps) + text[end:]
        else:
            _, end = ue(text)
            _, end = ue(text, end)
            text = ue_code(self.pps) + ue_code(self.sps) + text[end:]
        text += "1"
        return escaped(header + from_bits(text + "0" * (-len(text) % 8)))

    def of_slice(self, unit: bytes) -> bytes:
        """A slice that uses this PPS, whose code must be a byte longer than the present one.

        Raises `Malformed`.
        """
        raw = unescaped(unit)
        text = bits(raw[2 : 2 + _SLICE_HEAD])
        # First slice of its frame; and, for an IRAP frame, whether earlier ones are still shown.
        start = 2 if _type(unit) in _IRAP else 1
        _, end = ue(text, start)
        code = ue_code(self.pps)
        if len(code) != end - start + _SHIFT:
            raise Malformed("a slice uses an unexpected parameter set")
        return escaped(raw[:2] + from_bits(text[:start] + code + text[end:]) + raw[2 + _SLICE_HEAD :])


def sets_of(extradata: bytes) -> list[bytes]:
    """The parameter sets in a stream's extradata, `hvcC` or Annex B. Raises `Malformed`."""
    if not extradata or extradata[0] != 1:
        return [unit for unit in units(extradata, None) if _type(unit) in _SETS]
    return [unit for unit in _arrays(extradata) if _type(unit) in _SETS]


def free_numbers(recording: list[bytes], encoder: list[bytes]) -> Numbers:
    """Numbers for the encoder's sets that no set of the recording has.

    Raises `Malformed` when there are none, or when the encoder has more than one set of a type.
    """
    if sorted(map(_type, encoder)) != sorted(_SETS):
        raise Malformed("the encoder has an unusual number of parameter sets")
    used = {(_type(unit), _number(unit)) for unit in recording}
    own = next(_number(unit) for unit in encoder if _type(unit) == _PPS)
    longer = len(ue_code(own)) + _SHIFT
    return Numbers(
        vps=_free(used, _VPS, range(_NUMBERS)),
        sps=_free(used, _SPS, range(_NUMBERS)),
        pps=_free(used, _PPS, (n for n in range(_MOST_PPS) if len(ue_code(n)) == longer)),
    )


def with_sets(extradata: bytes, more: list[bytes]) -> bytes:
    """The extradata with further parameter sets, in its own format. Raises `Malformed`.

    An `hvcC` then says that all sets are in it, and promises what holds for all of them.
    """
    if not extradata or extradata[0] != 1:
        return extradata + joined(more, None)
    found = [*_arrays(extradata), *more]
    made = bytearray(extradata[:_HVCC_HEADER])
    for unit in more:
        if _type(unit) == _SPS:
            _widen(made, unescaped(unit)[3:15])
    kinds = sorted({_type(unit) for unit in found})
    made.append(len(kinds))
    for kind in kinds:
        of_kind = [unit for unit in found if _type(unit) == kind]
        made.append(kind | _COMPLETE if kind in _SETS else kind)
        made += len(of_kind).to_bytes(2, "big") + joined(of_kind, 2)
    return bytes(made)


def edge(payload: bytes, size: int | None, numbers: Numbers) -> bytes:
    """An encoder's Annex B packet as the clip holds it: without parameter sets, its slices renumbered.

    Raises `Malformed`.
    """
    kept = [unit for unit in units(payload, None) if _type(unit) not in (*_SETS, _DELIMITER)]
    return joined([numbers.of_slice(u) if _type(u) in _SLICES else u for u in kept], size)


def copied(payload: bytes, size: int | None, sets: list[bytes], *, joint: bool) -> bytes:
    """A copied packet without its parameter sets; at a `joint`, no frame before it is expected.

    `sets`: those in the clip's header. Raises `SetsChange`.
    """
    kept = []
    for unit in units(payload, size):
        kind = _type(unit)
        if kind not in _SETS:
            kept.append(_as_bla(unit) if joint and kind == _CRA else unit)
        elif unit not in sets:
            raise SetsChange
    return joined(kept, size)


def has_sets(payload: memoryview, size: int | None) -> bool:
    """Whether a packet has parameter sets."""
    return any(header >> 1 & 0x3F in _SETS for header in nal_headers(payload, size))


def _arrays(extradata: bytes) -> list[bytes]:
    """All units in an `hvcC`."""
    found: list[bytes] = []
    at = _HVCC_HEADER + 1
    for _ in range(byte_at(extradata, _HVCC_HEADER)):
        count = byte_at(extradata, at + 1) << 8 | byte_at(extradata, at + 2)
        more, at = unit_list(extradata, at + 3, count)
        found += more
    return found


def _widen(header: bytearray, profile: bytes) -> None:
    """Make an `hvcC`'s header promise no more than what holds for a further SPS too.

    `profile`: the SPS's general profile, tier and level, 12 bytes.
    """
    if header[1] & 0xC0 != profile[0] & 0xC0:
        raise Malformed("the profile spaces differ")
    tier, level = header[1] & 0x20, header[12]
    other_tier, other_level = profile[0] & 0x20, profile[11]
    # A level of a higher tier allows more than the same one of a lower tier.
    header[12] = level if tier > other_tier else other_level if other_tier > tier else max(level, other_level)
    header[1] = header[1] & 0xC0 | max(tier, other_tier) | max(header[1] & 0x1F, profile[0] & 0x1F)
    header[2:12] = bytes(ours & theirs for ours, theirs in zip(header[2:12], profile[1:11], strict=True))
    # Least spatial segmentation and kind of parallelism: unknown.
    header[13:15] = b"\xf0\x00"
    header[15] = 0xFC


def _free(used: set[tuple[int, int]], kind: int, candidates: Iterable[int]) -> int:
    for number in candidates:
        if (kind, number) not in used:
            return number
    raise Malformed("all numbers of parameter sets are used")


def _number(unit: bytes) -> int:
    text = bits(unescaped(unit)[2:])
    if _type(unit) == _VPS:
        if not text:
            raise Malformed("a parameter set is cut off")
        return int(text[:4], 2)
    return ue(text, _profile_end(text) if _type(unit) == _SPS else 0)[0]


def _profile_end(text: str) -> int:
    """Where, in an SPS, the profiles and levels end (ITU-T H.265, 7.3.2.2.1 and 7.3.3)."""
    if len(text) < 8 + _PROFILE_BITS:
        raise Malformed("a parameter set is cut off")
    layers = int(text[4:7], 2)
    end = 8 + _PROFILE_BITS
    if layers == 0:
        return end
    flags = text[end : end + 16]
    return (
        end
        + 16
        + sum(
            _SUB_LAYER_PROFILE_BITS * (flags[2 * n : 2 * n + 1] == "1")
            + _LEVEL_BITS * (flags[2 * n + 1 : 2 * n + 2] == "1")
            for n in range(layers)
        )
    )


def _without_trailing(text: str) -> str:
    end = text.rfind("1")
    if end < 0:
        raise Malformed("a parameter set has no end")
    return text[:end]


def _as_bla(unit: bytes) -> bytes:
    return bytes([unit[0] & 0x81 | _BLA_N_LP << 1]) + unit[1:]


def _type(unit: bytes) -> int:
    return unit[0] >> 1 & 0x3F
