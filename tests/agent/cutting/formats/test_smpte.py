"""Timecode is advanced according to SMPTE ST 12-1, drop-frame included."""

from __future__ import annotations

from fractions import Fraction

import pytest

from agent.cutting.formats.smpte import advanced

NTSC = Fraction(30000, 1001)


def frames_on(timecode: str, rate: Fraction, frames: int) -> str | None:
    return advanced(timecode, rate, frames / rate)


@pytest.mark.parametrize(
    ("timecode", "rate", "frames", "expected"),
    [
        ("10:00:00:00", Fraction(25), 0, "10:00:00:00"),
        ("10:00:00:00", Fraction(25), 26, "10:00:01:01"),
        ("10:59:59:24", Fraction(25), 1, "11:00:00:00"),
        ("23:59:59:59", Fraction(60), 1, "00:00:00:00"),
        ("01:00:59:29", NTSC, 1, "01:01:00:00"),
        ("01:00:59;29", NTSC, 1, "01:01:00;02"),
        ("01:09:59;29", NTSC, 1, "01:10:00;00"),
        ("00:00:00;00", NTSC, 1799, "00:00:59;29"),
        ("00:00:00;00", NTSC, 1800, "00:01:00;02"),
        ("00:00:00;00", NTSC, 17982, "00:10:00;00"),
        ("00:00:00;00", NTSC, 17981, "00:09:59;29"),
        ("00:00:00;00", NTSC, 107892, "01:00:00;00"),
        ("00:00:59.59", 2 * NTSC, 1, "00:01:00;04"),
        ("23:59:59;29", NTSC, 1, "00:00:00;00"),
        ("00:00:00:12", Fraction(24000, 1001), 24, "00:00:01:12"),
    ],
)
def test_frames_are_counted(timecode: str, rate: Fraction, frames: int, expected: str) -> None:
    assert frames_on(timecode, rate, frames) == expected


def test_every_valid_number_occurs_once_and_in_order() -> None:
    found = [frames_on("00:00:00;00", NTSC, n) for n in range(20_000)]
    assert len(set(found)) == len(found)
    assert found == sorted(found, key=str)
    assert not {"00:01:00;00", "00:01:00;01", "00:09:00;00"} & set(found)


@pytest.mark.parametrize(
    ("timecode", "rate"),
    [
        ("1:00:00:00", Fraction(25)),
        ("noon", Fraction(25)),
        ("10:00:00:25", Fraction(25)),
        ("10:00:00;00", Fraction(25)),
        ("10:00:00:00", Fraction(0)),
        ("10:00:00:00", Fraction(2743, 100)),
    ],
)
def test_what_can_t_be_counted_on_is_left_out(timecode: str, rate: Fraction) -> None:
    assert advanced(timecode, rate, Fraction(1)) is None
