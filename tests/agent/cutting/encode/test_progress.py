"""The progress of a run."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.cutting.encode.progress import Climb


def test_it_follows_what_is_printed() -> None:
    climb = Climb(10)
    assert climb.read("out_time_us=5000000\n")
    assert climb.share == 0.5 * 0.97
    assert not climb.read("out_time_us=5000000"), "the same again is no news"
    assert not climb.read("out_time_us=4000000")
    assert not climb.read("out_time_us=N/A")
    assert not climb.read("frame=7")
    assert climb.share == 0.5 * 0.97


def test_it_grows_slowly_without_output_and_never_completes() -> None:
    climb = Climb(10)
    climb.read("out_time_us=10000000")
    seen = [climb.share]
    for _ in range(1000):
        climb.creep()
        seen.append(climb.share)
    assert seen[10] > seen[0]
    assert max(seen) <= 1


@given(st.floats(0, 1e4), st.lists(st.one_of(st.none(), st.integers(-(10**12), 10**12)), max_size=50))
def test_it_never_decreases_and_never_exceeds_the_whole(seconds: float, reported: list[int | None]) -> None:
    climb, last = Climb(seconds), 0.0
    for at in reported:
        if at is None:
            climb.creep()
        else:
            climb.read(f"out_time_us={at}")
        assert last <= climb.share <= 1
        last = climb.share
