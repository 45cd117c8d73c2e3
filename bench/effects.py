"""`python -m bench.effects`: what effects cost beside plain ffmpeg and beside the usual loop with OpenCV.

Clips of a recording of 1080p30 at 8 Mbit/s, with the encoder's settings that the engine uses. Each method
has its own process; they alternate. CPU time is that of the method and all its processes, memory the largest
sum of their pages (PSS). The loop reads frames with OpenCV, crops on whole pixels, draws in BGR and pipes to
ffmpeg; it needs `opencv-python-headless` and is left out without it.

With `--recordings FOLDER`: every effect on every recording there, and what differs from a clip without."""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.measure.effects import CASES, Case, Method, methods
from bench.measure.effects_on_recordings import check
from bench.measure.forked import Used, used_by
from bench.recording import long_recording

_MINUTES = 10
_EXPORT, _SHORT = 30, 60
"""Seconds."""
_IN_SECONDS = {_EXPORT: 15, _SHORT: 30}
"""In how many seconds a clip of this length should be made: `cores needed` is for that."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=_EXPORT, help="the length of the clips")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--cases", nargs="+", choices=[case.name for case in CASES])
    parser.add_argument("--recordings", type=Path, help="a folder of recordings to try every effect on")
    arguments = parser.parse_args()
    if arguments.recordings is not None:
        return check(arguments.recordings)
    source = long_recording("mp4", _MINUTES)
    if importlib.util.find_spec("cv2") is None:
        print("opencv-python-headless is not installed: no comparison with a loop\n")
    cases = [case for case in CASES if arguments.cases is None or case.name in arguments.cases]
    print("| case | preset | method | CPU s | of plain | wall s | MB | clip MB |")
    print("|---|---|---|--:|--:|--:|--:|--:|")
    for case in cases:
        _compare(source, case, case.seconds or arguments.seconds, arguments.repeats)
    print("\n| case | cores | CPU s | wall s | cores needed |")
    print("|---|--:|--:|--:|--:|")
    for case in cases:
        _scale(source, case, case.seconds or arguments.seconds)
    return 0


def _compare(source: Path, case: Case, seconds: int, repeats: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = methods(source, case, seconds, Path(folder))
        runs: dict[str, list[Used]] = {name: [] for name in made}
        sizes = {}
        for _ in range(repeats):
            for name, method in made.items():
                runs[name].append(used_by(method))
                sizes[name] = _size(Path(folder))
        plain = _median(runs["plain"], lambda run: run.cpu)
        for name, own in runs.items():
            cpu = _median(own, lambda run: run.cpu)
            cells = [f"{cpu:.1f}", f"{cpu / plain:.2f}", f"{_median(own, lambda run: run.wall):.1f}"]
            cells += [f"{_median(own, lambda run: run.memory) / 1e6:.0f}", f"{sizes[name] / 1e6:.1f}"]
            print(f"| {case.name} | {case.preset} | {name} | {' | '.join(cells)} |", flush=True)


def _scale(source: Path, case: Case, seconds: int) -> None:
    for cores in (1, 2):
        with tempfile.TemporaryDirectory() as folder:
            found = used_by(_on(cores, methods(source, case, seconds, Path(folder))["ours"]))
        needed = found.cpu / _IN_SECONDS.get(seconds, seconds / 2)
        print(f"| {case.name} | {cores} | {found.cpu:.1f} | {found.wall:.1f} | {needed:.1f} |", flush=True)


def _on(cores: int, method: Method) -> Method:
    def run() -> None:
        os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:cores]))
        method()

    return run


def _size(folder: Path) -> int:
    """Of the clip, which is the only file there."""
    size = 0
    for path in folder.iterdir():
        size = max(size, path.stat().st_size)
        path.unlink()
    return size


def _median(runs: Sequence[Used], value: Callable[[Used], float]) -> float:
    return statistics.median(value(run) for run in runs)


if __name__ == "__main__":
    sys.exit(main())
