"""The costs of starting and of waiting: CPU, wall time and memory of the commands and of an idle stack.

    python -m bench.start [--repeats N] [--idle-seconds N]

The commands alternate, with `python -c pass` as the control; that of `clipping-agent cut` is the same stream
copy by ffmpeg with an fsync. Wall times are medians; CPU times are means, from /proc/PID/stat, of all
processes involved. The stack is `clipping up` with one agent and its default settings: until it is
ready, then idle.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from bench.load.usage import (
    children_seconds,
    megabytes_by_process,
    processes_of,
    processor_seconds,
    seconds_by_process,
    since,
)
from bench.measure.meter import Cost, of_children, of_command
from bench.pipeline import CONTROL as COPY
from bench.pipeline import stream_copy
from bench.recording import CACHE, long_recording
from tests.support.stack import RunningStack

CONTROL, CUT = "python -c pass", "clipping-agent cut --mode copy"
MINUTES, BEGIN, END = 10, 63.2, 183.2
"""The recording's length, and the in-point and out-point in seconds."""
SETTLED_SECONDS = 5.0
"""Time from ready until a stack counts as idle."""
LIMIT_SECONDS = 120.0
DEFAULTS: dict[str, dict[str, object]] = {"pubsub": {}, "cutting": {}, "limits": {}}
"""Instead of the settings for tests."""


def commands(repeats: int) -> dict[str, list[Cost]]:
    """The runs of each command, by name, alternating."""
    recording, bin_folder = long_recording("mp4", MINUTES), Path(sys.executable).parent
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        clip = Path(folder) / "clip.mp4"
        cut = [str(bin_folder / "clipping-agent"), "cut", str(recording), str(BEGIN), str(END)]
        cut += ["--mode", "copy", "--force", "-o", str(clip)]
        copy = partial(stream_copy, recording, BEGIN, END, clip.with_name("control.mp4"))
        runs: dict[str, Callable[[], Cost]] = {
            CONTROL: partial(of_command, [sys.executable, "-c", "pass"], LIMIT_SECONDS),
            "clipping --help": partial(of_command, [str(bin_folder / "clipping"), "--help"], LIMIT_SECONDS),
            "clipping-agent --help": partial(of_command, [cut[0], "--help"], LIMIT_SECONDS),
            COPY: partial(of_children, os.getpid(), copy),
            CUT: partial(of_command, cut, LIMIT_SECONDS),
        }
        for run in runs.values():
            run()  # fills the page cache
        costs: dict[str, list[Cost]] = {name: [] for name in runs}
        for _ in range(repeats):
            for name, run in runs.items():
                costs[name].append(run())
    return costs


def start_stack(folder: Path) -> tuple[RunningStack, Cost]:
    """A new stack on an empty data folder, and what it took until it was ready."""
    (folder / "nas").mkdir()
    begun = time.perf_counter()
    stack = RunningStack(folder / "data", folder / "nas", **DEFAULTS)
    wall = time.perf_counter() - begun
    pid = stack.process.pid
    return stack, Cost(wall, processor_seconds(pid) + children_seconds(pid), 0, 0)


def idle(stack: RunningStack, seconds: float) -> tuple[dict[str, float], dict[str, float]]:
    """CPU seconds per minute, and PSS in MB, of each process without requests."""
    time.sleep(SETTLED_SECONDS)
    pids = processes_of(stack)
    before, begun = seconds_by_process(pids), time.perf_counter()
    time.sleep(seconds)
    used, passed = since(before, seconds_by_process(pids)), time.perf_counter() - begun
    return {name: each * 60 / passed for name, each in used.items()}, megabytes_by_process(pids)


def command_table(costs: Mapping[str, Sequence[Cost]]) -> str:
    """A row for each command, with the ratios to its control: a cut's is ffmpeg's."""
    wall, cpu = ({name: part(runs) for name, runs in costs.items()} for part in (_wall, _cpu))
    rows = [f"{'':34}{'wall ms':>9}{'ratio':>9}{'CPU ms':>9}{'ratio':>9}  to"]
    for name in costs:
        control = COPY if name == CUT else CONTROL
        cells = [f"{part[name] * 1000:9.0f}{part[name] / part[control]:8.1f}x" for part in (wall, cpu)]
        rows.append(f"{name:34}{''.join(cells)}  {control}")
    return "\n".join(rows)


def idle_table(cpu: Mapping[str, float], memory: Mapping[str, float]) -> str:
    """A row for each process, and the sum."""
    rows = [f"{'idle stack':34}{'CPU s/min':>10}{'PSS MB':>9}"]
    rows += [f"{name:34}{cpu[name]:10.2f}{memory[name]:9.0f}" for name in cpu]
    return "\n".join([*rows, f"{'sum':34}{sum(cpu.values()):10.2f}{sum(memory.values()):9.0f}"])


def _wall(runs: Sequence[Cost]) -> float:
    return statistics.median(run.wall for run in runs)


def _cpu(runs: Sequence[Cost]) -> float:
    """The mean: /proc counts in hundredths of a second, too coarse for one short command."""
    return max(statistics.fmean(run.cpu for run in runs), 0.001)


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.start",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--repeats", type=int, default=5, metavar="N", help="runs of each command (default: 5)"
    )
    parser.add_argument("--idle-seconds", type=float, default=30.0, metavar="N", help="default: 30")
    options = parser.parse_args()
    costs = commands(options.repeats)
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        stack, cost = start_stack(Path(folder))
        with stack:
            print(command_table({**costs, "clipping up, until ready": [cost]}) + "\n", flush=True)
            print(idle_table(*idle(stack, options.idle_seconds)))


if __name__ == "__main__":
    main()
