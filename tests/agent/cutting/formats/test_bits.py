"""Emulation prevention and Exp-Golomb codes, as ITU-T H.265 defines them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.cutting.formats.bits import Malformed, bits, escaped, from_bits, ue, ue_code, unescaped

ZEROS_OFTEN = st.lists(st.sampled_from([0, 0, 0, 1, 2, 3, 4, 255]), max_size=40).map(bytes)


@given(ZEROS_OFTEN)
def test_an_escaped_unit_has_no_start_code_and_is_restored(data: bytes) -> None:
    made = escaped(data)
    for code in (b"\x00\x00\x00", b"\x00\x00\x01", b"\x00\x00\x02"):
        assert code not in made
    assert unescaped(made) == data


@pytest.mark.parametrize(
    ("plain", "guarded"),
    [
        (b"\x00\x00\x01", b"\x00\x00\x03\x01"),
        (b"\x00\x00\x03", b"\x00\x00\x03\x03"),
        (b"\x00\x00\x04", b"\x00\x00\x04"),
        (b"\x00\x00\x00\x00\x01", b"\x00\x00\x03\x00\x00\x03\x01"),
        (b"\x01\x00\x00", b"\x01\x00\x00\x03"),
    ],
)
def test_bytes_that_would_end_a_unit_are_guarded(plain: bytes, guarded: bytes) -> None:
    assert escaped(plain) == guarded


@pytest.mark.parametrize(
    ("number", "code"), [(0, "1"), (1, "010"), (2, "011"), (3, "00100"), (15, "000010000")]
)
def test_codes_are_those_of_the_standard(number: int, code: str) -> None:
    assert ue_code(number) == code


@given(st.integers(0, 2**32 - 2), st.text("01", max_size=9), st.text("01", max_size=9))
def test_a_code_is_read_back_from_anywhere(number: int, before: str, behind: str) -> None:
    code = ue_code(number)
    assert ue(before + code + behind, len(before)) == (number, len(before) + len(code))
    for end in range(len(code)):
        with pytest.raises(Malformed):
            ue(code[:end])


@given(st.binary(min_size=1, max_size=20))
def test_bits_are_the_bytes(data: bytes) -> None:
    assert from_bits(bits(data)) == data
