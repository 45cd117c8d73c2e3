"""Simulates the election on an unreliable network: `python -m bench.ha_model --runs 400`.

Prints the number of simulated half hours, in how many of them two agents could have published at once, the
share of time with a leader, and the takeover time of each preset; then the same with two wrong rules, to show
that the model detects such errors."""

from __future__ import annotations

import argparse
import logging
import statistics
import time
from collections import Counter

from bench.cluster.hostile import EVERY_SECONDS, MINUTES, Outcome, run
from bench.cluster.takeover import How, takeover_seconds
from bench.cluster.world import MachineClock
from bench.cluster.wrong_rules import CountsFromTheAnswer, TrustsWallTime
from clipping.config import PRESETS
from health.lease.guard import Guard


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=400, help="half hours to simulate")
    parser.add_argument(
        "--wrong-runs", type=int, help="runs of each wrong rule; default: a quarter of --runs"
    )
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--takeovers", type=int, default=200, help="takeovers to measure of each kind")
    arguments = parser.parse_args()
    # Suppress the logs of thousands of state changes.
    logging.disable(logging.CRITICAL)
    first, runs = arguments.first_seed, arguments.runs
    seeds = range(first, first + runs)
    few = seeds[: runs // 4 if arguments.wrong_runs is None else arguments.wrong_runs]
    print(f"{MINUTES:g} simulated minutes per run, one fault every {EVERY_SECONDS:g} s; 2 and 3 agents")
    bad = _hostile("our rules", seeds, show=True)
    _hostile("validity from the answer", few, guard=CountsFromTheAnswer)
    _hostile("wall clock", few, clock=TrustsWallTime)
    for how in ("kill", "stop", "failover"):
        _takeovers(how, arguments.takeovers)
    return 1 if bad else 0


def _hostile(
    name: str,
    seeds: range,
    *,
    guard: type[Guard] = Guard,
    clock: type[MachineClock] = MachineClock,
    show: bool = False,
) -> int:
    """Simulate and print a line. Returns the number of bad runs."""
    if not seeds:
        return 0
    begin = time.process_time()
    outcomes = [run(seed, guard=guard, clock=clock) for seed in seeds]
    doubled = [outcome for outcome in outcomes if outcome.two_guards]
    wrong = [outcome for outcome in outcomes if _is_wrong(outcome)]
    led = statistics.fmean(outcome.led_share for outcome in outcomes)
    print(
        f"{name:26} runs {len(outcomes)}  two valid guards in {len(doubled)}  "
        f"led {led:.1%} of the time  leaders {sum(outcome.epochs for outcome in outcomes)}  "
        f"cpu {time.process_time() - begin:.0f} s"
    )
    if show:
        faults = sum((outcome.faults for outcome in outcomes), Counter[str]())
        print("  faults: " + ", ".join(f"{kind} {count}" for kind, count in faults.most_common()))
        for outcome in wrong[:10]:
            print(f"  WRONG: {outcome}")
    return len(wrong)


def _is_wrong(outcome: Outcome) -> bool:
    return bool(outcome.two_guards or outcome.violations) or not outcome.led_at_the_end


def _takeovers(how: How, count: int) -> None:
    for preset in PRESETS if count else ():
        seconds = sorted(takeover_seconds(seed, preset=preset, how=how) for seed in range(count))
        p50, p95, p99 = (seconds[min(len(seconds) - 1, int(len(seconds) * q))] for q in (0.5, 0.95, 0.99))
        print(
            f"{how:9} {preset:8} takeovers {count}  p50 {p50:5.1f} s  p95 {p95:5.1f} s  "
            f"p99 {p99:5.1f} s  longest {seconds[-1]:5.1f} s"
        )


if __name__ == "__main__":
    raise SystemExit(main())
