"""Where the speed of a clip changes."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from agent.cutting.plan.speed import Speed, speed_of
from clipping.contract.effects import SpeedSegment

LENGTH = Fraction(10)


def speed(*segments: tuple[float, float, float]) -> Speed | None:
    return speed_of([SpeedSegment(start=a, end=b, speed=s) for a, b, s in segments], LENGTH)


@st.composite
def speeds(draw: st.DrawFn) -> Speed:
    ends = sorted(draw(st.lists(st.integers(0, 1200), min_size=2, max_size=9, unique=True)))
    factors = st.sampled_from([0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0])
    found = speed(*((a / 100, b / 100, draw(factors)) for a, b in pairwise(ends)))
    return found or Speed(())


def test_the_length_is_the_sum_of_the_parts() -> None:
    found = speed((1, 3, 2), (5, 6, 0.25))
    assert found is not None
    assert found.length == 1 + 1 + 2 + 4 + 4
    assert [found.at(Fraction(t)) for t in (0, 1, 2, 3, 5, 6, 10)] == [
        0,
        1,
        Fraction(3, 2),
        2,
        4,
        8,
        12,
    ]


def test_what_changes_nothing_is_no_speed() -> None:
    assert speed() is None
    assert speed((2, 4, 1.0)) is None
    assert speed((10, 12, 2.0)) is None


def test_what_lies_behind_the_end_is_ignored() -> None:
    found = speed((9, 12, 0.5))
    assert found is not None
    assert found.length == 9 + 2
    assert found.at(Fraction(11)) == 13


@given(found=speeds())
def test_stretches_fill_the_range_and_time_never_goes_back(found: Speed) -> None:
    if not found.stretches:
        return
    assert found.stretches[0].start == 0
    assert found.stretches[-1].end == LENGTH
    assert all(a.end == b.start for a, b in pairwise(found.stretches))
    times = [Fraction(n, 7) for n in range(71)]
    assert all(found.at(a) < found.at(b) for a, b in pairwise(times))
    assert found.at(LENGTH) == found.length == found.begins[-1]


@given(found=speeds(), rate=st.sampled_from([44_100, 48_000]))
def test_rounded_samples_do_not_drift(found: Speed, rate: int) -> None:
    if found.stretches:
        assert sum(found.samples(rate)) == round(found.length * rate)
