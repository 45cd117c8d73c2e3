"""Positions as callers write them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipping.timecode import exact, format_seconds, parse_seconds


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (0, 0.0),
        (12.5, 12.5),
        ("12.5", 12.5),
        ("90", 90.0),
        ("4:15.2", 255.2),
        ("59:59.999", 3599.999),
        ("3:24:15", 12255.0),
        ("03:24:15.250", 12255.25),
        ("100:00:00", 360000.0),
    ],
)
def test_good_times(written: Any, seconds: float) -> None:
    assert parse_seconds(written) == seconds


@pytest.mark.parametrize(
    "written",
    [
        *(True, False, None, [], {}, float("nan"), float("inf"), -0.001, -1, 10**400),
        *("", " 1", "1 ", "-1", "1:60", "1:75.5", "1:2:3:4", "60:00", "1:-2", "1.", ".5", "1,5"),
        *("nan", "inf", "1e3", "٣", "0x10"),
    ],
)
def test_bad_times(written: Any) -> None:
    with pytest.raises(ValueError, match=r"^must "):
        parse_seconds(written)


@pytest.mark.parametrize("written", ["-1", "-0:10", "-3:24:15.5"])
def test_negative_times_are_reported_as_negative(written: str) -> None:
    with pytest.raises(ValueError, match=r"^must not be negative$"):
        parse_seconds(written)


@given(st.integers(0, 10**9))
def test_milliseconds_survive_exactly(milliseconds: int) -> None:
    seconds = milliseconds / 1000
    assert exact(parse_seconds(f"{seconds:.3f}" if seconds < 1e9 else seconds)) == Fraction(
        milliseconds, 1000
    )
    assert exact(seconds) == Fraction(milliseconds, 1000)


def test_format() -> None:
    assert format_seconds(12255.25) == "3:24:15.250"
    assert format_seconds(59.9996) == "0:01:00.000"
