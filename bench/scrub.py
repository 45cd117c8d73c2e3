"""`python -m bench.scrub`: what a person who scrubs through a recording costs, and by how much it slows cuts.

The same cuts (smart ones, copies and encodes of random parts) are requested of a local stack, all at once, so
that the agent cuts at full load until the last has ended; in pairs of runs, alternately with and without a
person who scrubs through the same recording by the API. CPU seconds are those of the processes, from /proc:
processes of previews are named `preview`, all other children of the agent's are cuts.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bench.load.usage import children_seconds, processor_seconds
from bench.measure.scrubbing import Person
from bench.pipeline import wait
from bench.recording import CACHE, long_recording
from tests.support.procs import descendants_of
from tests.support.stack import RunningStack

MINUTES = 10
PREVIEW = "preview"
"""The name of the processes of previews."""
MOST_PERCENT = 5.0
_KINDS = (("smart", 20), ("copy", 60), ("smart", 20), ("encode", 1))
"""Modes and lengths in seconds, in turn."""
_POLL_SECONDS = 0.25


@dataclass(frozen=True)
class Run:
    """The cuts of one run."""

    wall: float
    """Seconds until the last had ended."""
    cuts: float
    """CPU seconds of the cuts."""
    previews: float
    """CPU seconds of the processes of previews."""
    agent: float
    """CPU seconds of the agent's own process."""
    api: float
    person: Person | None


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=3, help="of runs (3)")
    parser.add_argument("--cuts", type=int, default=12, help="of each run (12)")
    parser.add_argument(
        "--alone", type=float, default=20, metavar="SECONDS", help="also scrub without cuts (20)"
    )
    arguments = parser.parse_args()
    recording = long_recording("mp4", MINUTES)
    with tempfile.TemporaryDirectory(dir=CACHE) as folder, _stack(Path(folder), recording) as stack:
        _cuts(stack, recording, 4, seed=0)  # fills the page cache
        alone = _alone(stack, recording, arguments.alone)
        pairs = [_pair(stack, recording, arguments.cuts, number) for number in range(arguments.pairs)]
    return _report(alone, pairs)


def _stack(folder: Path, recording: Path) -> RunningStack:
    over = {"cutting": {}, "pubsub": {}, "limits": {"requests_per_minute": 0, "shorts_per_day": 0}}
    return RunningStack(folder / "data", recording.parent, **over)


def _pair(stack: RunningStack, recording: Path, count: int, number: int) -> tuple[Run, Run]:
    """Without and with a person, in alternating order."""
    made = {}
    for scrubs in (False, True) if number % 2 == 0 else (True, False):
        person = _person(stack, recording, seed=number + 1) if scrubs else None
        made[scrubs] = _measured(stack, recording, count, number + 1, person)
        print(_line(made[scrubs]), flush=True)
    return made[False], made[True]


def _alone(stack: RunningStack, recording: Path, seconds: float) -> Run:
    person = _person(stack, recording, seed=99)
    before, begun = _usage(stack), time.monotonic()
    person.start()
    time.sleep(seconds)
    person.stop()
    run = _run(before, _usage(stack), time.monotonic() - begun, person)
    print(f"without cuts: {_line(run)}", flush=True)
    return run


def _measured(stack: RunningStack, recording: Path, count: int, seed: int, person: Person | None) -> Run:
    before = _usage(stack)
    if person is not None:
        person.start()
    try:
        wall = _cuts(stack, recording, count, seed=seed)
    finally:
        if person is not None:
            person.stop()
    return _run(before, _usage(stack), wall, person)


def _cuts(stack: RunningStack, recording: Path, count: int, *, seed: int) -> float:
    """Request the cuts, and wait for all. Returns the seconds."""
    dice, begun = random.Random(seed), time.monotonic()
    asked = []
    for number in range(count):
        mode, length = _KINDS[number % len(_KINDS)]
        start = round(dice.uniform(1, MINUTES * 60 - length - 1), 3)
        asked.append(
            stack.ask(
                nas_video_path=str(recording), start_seconds=start, end_seconds=start + length, mode=mode
            )
        )
    for request_id in asked:
        wait(stack, request_id, _POLL_SECONDS)
    return time.monotonic() - begun


def _person(stack: RunningStack, recording: Path, *, seed: int) -> Person:
    api = stack.where["api_url"]
    listed = stack.session.get(f"{api}/preview/v1/recordings", params={"q": recording.name}, timeout=60)
    listed.raise_for_status()
    (found,) = listed.json()["recordings"]
    headers = {"Authorization": f"Bearer {stack.where['api_key']}"}
    return Person(f"{api}/preview/v1/recordings/{found['id']}", MINUTES * 60.0, headers, seed)


_previews: dict[int, float] = {}
"""CPU seconds of each process of previews when it was last there: they end when they are idle."""


def _usage(stack: RunningStack) -> dict[str, float]:
    """CPU seconds so far."""
    agent = stack.pid("agent-1")
    for pid in descendants_of(agent):
        with suppress(OSError):
            if Path(f"/proc/{pid}/comm").read_text().strip() == PREVIEW:
                _previews[pid] = processor_seconds(pid)
    children, previews = children_seconds(agent), sum(_previews.values())
    return {
        "cuts": children - previews,
        "previews": previews,
        "agent": processor_seconds(agent),
        "api": children_seconds(stack.pid("api")) + processor_seconds(stack.pid("api")),
    }


def _run(before: Mapping[str, float], after: Mapping[str, float], wall: float, person: Person | None) -> Run:
    return Run(wall, **{name: after[name] - before[name] for name in before}, person=person)


def _line(run: Run) -> str:
    text = f"{run.wall:6.1f} s, CPU s: cuts {run.cuts:.2f}, previews {run.previews:.2f}"
    text += f", agent {run.agent:.2f}, API {run.api:.2f}"
    return text if run.person is None else f"{text}; {_calls(run.person)}"


def _calls(person: Person) -> str:
    each = (
        f"{kind} {len(found)}x p50 {statistics.median(found) * 1000:.0f} max {max(found) * 1000:.0f} ms"
        for kind, found in person.seconds.items()
    )
    return f"{', '.join(each)}; {person.bytes / 1e6:.1f} MB, {person.refused} refused"


def _report(alone: Run, pairs: Sequence[tuple[Run, Run]]) -> int:
    def slower(values: Sequence[tuple[float, float]]) -> float:
        return 100 * (statistics.median(busy / quiet for quiet, busy in values) - 1)

    cpu = slower([(quiet.cuts, busy.cuts) for quiet, busy in pairs])
    wall = slower([(quiet.wall, busy.wall) for quiet, busy in pairs])
    assert alone.person is not None
    minute = 60 / alone.wall
    print(
        f"\na minute of scrubbing: {alone.previews * minute:.1f} CPU s of previews, "
        f"{alone.agent * minute:.1f} of the agent, {alone.api * minute:.1f} of the API, "
        f"{alone.person.bytes * minute / 1e6:.0f} MB\n"
        f"cuts meanwhile ({len(pairs)} pairs, median, {os.cpu_count()} cores): {cpu:+.1f} % CPU seconds "
        f"(at most {MOST_PERCENT:g}), {wall:+.1f} % wall time"
    )
    return 0 if cpu <= MOST_PERCENT else 1


if __name__ == "__main__":
    sys.exit(main())
