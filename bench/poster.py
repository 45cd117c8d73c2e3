"""What posters and contact sheets cost: clips with and without them, in turns.

    python -m bench.poster [--clips N] [--minutes N] [--length SECONDS] [--mode copy|smart]

Two stacks run, one with `cutting.poster: false`; each clip is requested from both, one at a time, the first
of them in turns. Measured are the time from the request to the completed status, polled every 20 ms, and the
CPU time of all processes.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

from bench.load.usage import processes_of, seconds_by_process, since
from bench.pipeline import POLL_SECONDS, running, starts_in, wait
from bench.recording import long_recording
from tests.support.stack import RunningStack

WARM_UP = 2
"""Clips of each stack that are not counted."""


class Side:
    """One of the two stacks, and what its clips took."""

    def __init__(self, stack: RunningStack, recording: Path, mode: str) -> None:
        self._stack, self._recording, self._mode = stack, recording, mode
        self._pids = processes_of(stack)
        self.wall: list[float] = []
        self.cpu: list[float] = []
        self.posters = 0

    def clip(self, start: float, length: float) -> None:
        """One clip."""
        before, begun = seconds_by_process(self._pids), time.perf_counter()
        request_id = self._stack.ask(
            nas_video_path=str(self._recording),
            start_seconds=start,
            end_seconds=start + length,
            mode=self._mode,
        )
        status = wait(self._stack, request_id, POLL_SECONDS)
        self.wall.append(time.perf_counter() - begun)
        self.cpu.append(sum(since(before, seconds_by_process(self._pids)).values()))
        self.posters += "poster_url" in status and "contact_sheet_url" in status

    def forget(self) -> None:
        """Of the clips so far."""
        self.wall, self.cpu, self.posters = [], [], 0


def table(without: Side, with_them: Side) -> str:
    """Medians in milliseconds, and the median of the ratios of the pairs."""
    rows = [f"{'':30}{'without':>9}{'with':>9}{'ratio':>8}"]
    for name, ours, theirs in (
        ("request to completed, ms", with_them.wall, without.wall),
        ("CPU of all processes, ms", with_them.cpu, without.cpu),
    ):
        ratio = statistics.median(our / max(their, 0.001) for our, their in zip(ours, theirs, strict=True))
        before, after = (statistics.median(each) * 1000 for each in (theirs, ours))
        rows.append(f"{name:30}{before:9.0f}{after:9.0f}{ratio:7.2f}x")
    return "\n".join([*rows, f"{with_them.posters} of {len(with_them.wall)} clips have both images"])


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.poster",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--clips", type=int, default=20, metavar="N", help="of each (default: 20)")
    parser.add_argument("--minutes", type=int, default=10, metavar="N", help="of the recording (default: 10)")
    parser.add_argument(
        "--length", type=float, default=30.0, metavar="SECONDS", help="of a clip (default: 30)"
    )
    parser.add_argument("--mode", choices=("copy", "smart"), default="copy", help="default: copy")
    options = parser.parse_args()
    recording = long_recording("mp4", options.minutes)
    with (
        running(recording, slots=1, poster=False) as one,
        running(recording, slots=1, poster=True) as other,
    ):
        sides = [Side(stack, recording, options.mode) for stack in (one, other)]
        starts = starts_in(options.minutes * 60, options.length, options.clips + WARM_UP)
        for number, start in enumerate(starts):
            if number == WARM_UP:
                for side in sides:
                    side.forget()
            for side in sides if number % 2 else sides[::-1]:
                side.clip(start, options.length)
        print(table(*sides))


if __name__ == "__main__":
    main()
