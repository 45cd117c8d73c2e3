"""The real election, lease, guard and their loop on a hostile network: see bench/cluster."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from bench.cluster.hostile import run
from bench.cluster.takeover import How, takeover_seconds
from bench.cluster.wrong_rules import CountsFromTheAnswer, TrustsWallTime

RUNS = 60
"""`python -m bench.ha_model --runs 400` runs the others."""
CHUNK = 10


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Hundreds of thousands of changes of state are logged, and would be kept for a report."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(before)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, RUNS, CHUNK))
def test_never_two_leaders_and_always_one_in_the_end(first: int) -> None:
    outcomes = [run(seed) for seed in range(first, first + CHUNK)]
    assert [outcome for outcome in outcomes if outcome.two_guards or outcome.violations] == []
    assert [outcome for outcome in outcomes if not outcome.led_at_the_end] == []
    led = sum(outcome.led_share for outcome in outcomes) / CHUNK
    print(f"runs {CHUNK}, led {led:.1%} of the time, leaders {sum(o.epochs for o in outcomes)}")
    assert led > 0.4


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["quick", "plain"])
def test_the_other_timings_hold_too(preset: str) -> None:
    outcomes = [run(seed, preset=preset) for seed in range(1000, 1006)]
    assert [outcome for outcome in outcomes if outcome.two_guards or outcome.violations] == []
    assert [outcome for outcome in outcomes if not outcome.led_at_the_end] == []


def test_the_model_finds_two_leaders_where_validity_counts_from_the_answer() -> None:
    assert any(run(seed, guard=CountsFromTheAnswer).two_guards for seed in range(12))


def test_the_model_finds_two_leaders_where_wall_time_is_trusted() -> None:
    assert any(run(seed, clock=TrustsWallTime).two_guards for seed in range(12))


def test_a_run_is_decided_by_its_seed() -> None:
    assert run(7, minutes=10) == run(7, minutes=10)
    assert run(7, minutes=10) != run(9, minutes=10)


@pytest.mark.parametrize(
    ("how", "preset", "bound"),
    [
        ("kill", "plain", 110.0),
        ("kill", "default", 50.0),
        ("kill", "quick", 16.0),
        ("stop", "default", 10.0),
        ("failover", "default", 8.0),
    ],
)
def test_a_takeover_is_as_fast_as_the_preset_says(how: How, preset: str, bound: float) -> None:
    taken = [takeover_seconds(seed, preset=preset, how=how) for seed in range(20)]
    assert max(taken) < bound
