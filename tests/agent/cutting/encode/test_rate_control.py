"""The rates that keep a clip within its limit."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.cutting.encode.rate_control import Rates, rates, second_share
from agent.cutting.plan.encoders import RateCap
from agent.cutting.plan.spec import CutSpec
from clipping.contract.choices import Quality
from clipping.contract.output import Output
from clipping.errors import OutputTooLarge


def rates_of(
    output: dict[str, Any], quality: Quality = "high", *, seconds: int = 60, tracks: int = 1
) -> Rates:
    return rates(spec_of(quality, **output), seconds=Fraction(seconds), frames=seconds * 30, tracks=tracks)


def spec_of(quality_asked: Quality, /, **output: Any) -> CutSpec:
    return CutSpec(Path("a.mp4"), Fraction(0), Fraction(1), "encode", quality_asked, Output(**output))


@pytest.mark.parametrize(
    ("output", "quality", "expected"),
    [
        ({}, "high", Rates(None, 192_000)),
        ({}, "medium", Rates(RateCap(2_000_000, 4_000_000), 128_000)),
        ({"audio": False}, "medium", Rates(RateCap(2_000_000, 4_000_000), 128_000)),
        ({"quality": "medium"}, "medium", Rates(None, 128_000)),
        ({"fps": 30}, "medium", Rates(None, 128_000)),
        ({"max_bytes": 10**9}, "high", Rates(RateCap(126_949_183, 126_949_183), 192_000)),
    ],
)
def test_rates_without_a_shape(output: dict[str, Any], quality: Quality, expected: Rates) -> None:
    found = rates_of(output, quality)
    assert found.audio == expected.audio
    assert (found.cap is None) == (expected.cap is None)
    if found.cap and expected.cap:
        assert found.cap.bits == pytest.approx(expected.cap.bits, rel=0.01)


@pytest.mark.parametrize(("quality", "limit"), [("high", 60_000_000), ("medium", 30_000_000)])
@pytest.mark.parametrize("aspect", ["9:16", "16:9", "1:1", "4:5"])
def test_a_minute_of_a_shape_stays_under_its_limit(quality: Quality, limit: int, aspect: str) -> None:
    found = rates_of({"aspect": aspect}, quality)
    assert found.cap is not None
    most = (found.cap.bits * 60 + found.cap.window + found.audio * 60) / 8
    assert 0.9 * limit < most < 0.995 * limit


@given(
    limit=st.integers(100_000, 2**34),
    milliseconds=st.integers(40, 600_000),
    tracks=st.integers(0, 8),
    share=st.floats(0.1, 0.97),
)
def test_no_rate_goes_beyond_a_limit(limit: int, milliseconds: int, tracks: int, share: float) -> None:
    seconds = Fraction(milliseconds, 1000)
    try:
        found = rates(
            spec_of("high", max_bytes=limit),
            seconds=seconds,
            frames=max(1, int(seconds * 30)),
            tracks=tracks,
            share=share,
        )
    except OutputTooLarge as error:
        needed = int(error.message.partition("at least ")[2].split(",")[0])
        assert needed > limit
        return
    assert found.cap is not None
    bits = found.cap.bits * seconds + found.cap.window + found.audio * tracks * seconds
    assert bits / 8 <= limit * share + 1


def test_what_is_named_as_the_least_is_enough() -> None:
    with pytest.raises(OutputTooLarge) as caught:
        rates_of({"max_bytes": 100_000}, seconds=600)
    needed = int(caught.value.message.partition("at least ")[2].split(",")[0])
    assert rates_of({"max_bytes": needed + 1}, seconds=600).cap is not None


def test_a_second_try_aims_lower_by_what_the_first_was_too_large() -> None:
    assert second_share(1000, 2000) == pytest.approx(0.97 * 0.5 * 0.95)
