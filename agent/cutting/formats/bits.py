"""The bits of NAL units: emulation prevention, Exp-Golomb codes (ITU-T H.265, 7.3.1.1 and 9.2). Pure."""

from __future__ import annotations

import re

_ZEROS_BEFORE_A_SMALL_BYTE = re.compile(rb"\x00\x00(?=[\x00-\x03])")


class Malformed(Exception):
    """The stream's headers are damaged."""


def unescaped(unit: bytes) -> bytes:
    """A NAL unit without its emulation prevention bytes."""
    return unit.replace(b"\x00\x00\x03", b"\x00\x00")


def escaped(unit: bytes) -> bytes:
    """A NAL unit with the emulation prevention bytes that `unescaped` removed."""
    guarded = _ZEROS_BEFORE_A_SMALL_BYTE.sub(b"\x00\x00\x03", unit)
    return guarded + b"\x03" if guarded.endswith(b"\x00\x00") else guarded


def bits(data: bytes) -> str:
    """The bits of `data`, as a string of 0 and 1."""
    return "".join(f"{byte:08b}" for byte in data)


def from_bits(text: str) -> bytes:
    """The bytes of a string of 0 and 1, whose length is a multiple of 8."""
    return int(text, 2).to_bytes(len(text) // 8, "big")


def ue(text: str, at: int = 0) -> tuple[int, int]:
    """The unsigned Exp-Golomb code at position `at`, and where it ends. Raises `Malformed`."""
    one = text.find("1", at)
    end = 2 * one - at + 1
    if one < 0 or end > len(text):
        raise Malformed("a number is cut off")
    return int(text[one:end], 2) - 1, end


def ue_code(number: int) -> str:
    """The unsigned Exp-Golomb code of a number."""
    code = f"{number + 1:b}"
    return "0" * (len(code) - 1) + code
