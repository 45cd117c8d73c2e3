"""`python -m bench.cut`: the cost of a clip compared with a bare `ffmpeg -c copy` and with copying its bytes.

Cuts two minutes of 1080p recordings at 8 Mbit/s, at the start, in the middle and at the end, alternating with
the rivals in the same run. First: the recording is not in the page cache, and the engine's caches are empty.
Repeated: both are warm. The engine's times include verification and SHA-256. All times end when the clip is
on the disk (fsync), except "alone", which ends when verification begins.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import get_args

from agent.cutting import Clip, CutSpec, Engine, EngineSettings, find_ffmpeg
from bench.measure.costs import Run, page
from bench.measure.meter import Cost, children_of, drop_from_memory, flush, of_children, of_command
from bench.measure.methods import smartcut
from bench.recording import CACHE, KINDS, MEGABITS, Kind, long_recording
from clipping.contract.choices import Mode, Stage

CLIP_SECONDS = 120
PLACES = ("start", "middle", "end")
_OURS: tuple[Mode, ...] = tuple(m for m in get_args(Mode) if m != "encode")
_SLOW_RIVALS_UPTO = 60
"""Longest recording, in minutes, for methods that read or encode much."""
_LIMIT_SECONDS = 900
_SERVER = b"agent.cutting.process.server"


class Bench:
    """Runs all methods on one recording."""

    def __init__(self, kind: Kind, minutes: int, megabits: int, folder: Path) -> None:
        self._kind: Kind = kind
        self._minutes = minutes
        self._folder = folder
        self._source = long_recording(kind, minutes, megabits)
        self._rng = random.Random(f"{kind} {minutes}")

    def runs(self, repeats: int, *, slow: bool) -> Iterator[Run]:
        """For every place, first runs and then repeated ones, alternating the methods."""
        for place in PLACES:
            for _ in range(max(2, repeats // 2)):
                yield from self._first(place, self._begin(place))
            with engine() as warm:
                self._ours(warm, _OURS[0], self._begin(place))
                for _ in range(repeats):
                    yield from self._repeated(place, self._begin(place), warm)
        if slow:
            yield from self._slow_rivals()

    def _begin(self, place: str) -> Fraction:
        """A random in-point near the place, never on a frame."""
        last = self._minutes * 60 - CLIP_SECONDS - 10
        near = {"start": 8.0, "middle": last / 2, "end": last - 8.0}[place]
        return Fraction(round((near + self._rng.uniform(-6, 6)) * 1000) * 10 + 3, 10000)

    def _first(self, place: str, begin: Fraction) -> Iterator[Run]:
        clip = self._folder / "ffmpeg.mp4"
        drop_from_memory(self._source)
        yield self._run(place, "first", "ffmpeg", self._ffmpeg(begin, clip))
        drop_from_memory(clip)
        yield self._run(place, "first", "cp", self._cp(clip))
        for mode in _OURS:
            with engine() as cold:
                drop_from_memory(self._source)
                cost, alone = self._ours(cold, mode, begin)
            yield self._run(place, "first", mode, cost, alone)

    def _repeated(self, place: str, begin: Fraction, warm: Engine) -> Iterator[Run]:
        clip = self._folder / "ffmpeg.mp4"
        yield self._run(place, "repeated", "ffmpeg", self._ffmpeg(begin, clip))
        yield self._run(place, "repeated", "cp", self._cp(clip))
        for mode in _OURS:
            cost, alone = self._ours(warm, mode, begin)
            yield self._run(place, "repeated", mode, cost, alone)

    def _slow_rivals(self) -> Iterator[Run]:
        begin = self._begin("middle")
        target, keep = self._folder / "rival.mp4", f"{float(begin)},{float(begin + CLIP_SECONDS)}"
        command = [str(smartcut()), str(self._source), str(target), "--keep", keep]
        for _ in range(3):
            yield self._run("middle", "repeated", "smartcut", of_command(command, _LIMIT_SECONDS))
        if self._kind == "mp4":
            command = [*self._cutting(begin), "-c:v", "libx264", "-preset", "veryfast", "-c:a", "copy"]
            yield self._run("middle", "repeated", "x264", of_command([*command, str(target)], _LIMIT_SECONDS))

    def _run(self, place: str, state: str, method: str, cost: Cost, alone: float | None = None) -> Run:
        return Run(self._kind, self._minutes, place, state, method, cost, alone)

    def _cutting(self, begin: Fraction) -> list[str]:
        start, end = str(float(begin)), str(float(begin + CLIP_SECONDS))
        program = str(find_ffmpeg(None))
        return [program, "-nostdin", "-v", "error", "-y", "-ss", start, "-to", end, "-i", str(self._source)]

    def _ffmpeg(self, begin: Fraction, clip: Path) -> Cost:
        return of_command([*self._cutting(begin), "-c", "copy", str(clip)], _LIMIT_SECONDS, clip)

    def _cp(self, clip: Path) -> Cost:
        target = self._folder / "cp.mp4"
        cost = of_command(["cp", str(clip), str(target)], _LIMIT_SECONDS, target)
        target.unlink()
        return cost

    def _ours(self, cutter: Engine, mode: Mode, begin: Fraction) -> tuple[Cost, float]:
        spec = CutSpec(self._source, begin, begin + CLIP_SECONDS, mode, "high")
        made: list[Clip] = []
        verifying: list[float] = []

        def progress(stage: Stage, percent: float) -> None:
            if stage == "verifying" and not verifying:
                verifying.append(time.perf_counter())

        def work() -> None:
            made.append(cutter.cut(spec, self._folder, progress=progress))
            flush(made[0].path)

        begun = time.perf_counter()
        cost = of_children(fork_server(), work)
        made[0].path.unlink()
        if made[0].report.mode != mode:
            raise SystemExit(f"{self._source.name} at {float(begin)}: {mode} became {made[0].report.mode}")
        return cost, verifying[0] - begun


@contextmanager
def engine() -> Iterator[Engine]:
    """An engine with empty caches."""
    new = Engine(EngineSettings())
    new.start()
    try:
        yield new
    finally:
        new.close()


def fork_server() -> int:
    """The process whose children perform the engine's work."""
    (found,) = (
        pid for pid in children_of(os.getpid()) if _SERVER in Path(f"/proc/{pid}/cmdline").read_bytes()
    )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--containers", nargs="+", choices=KINDS, default=KINDS, metavar="KIND")
    parser.add_argument("--minutes", nargs="+", type=int, default=[10, 60, 600])
    parser.add_argument("--megabits", type=int, default=MEGABITS, help="of the recordings' video, a second")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--no-slow-rivals", action="store_true", help="skip smartcut and x264")
    parser.add_argument("--delete", action="store_true", help="delete recordings over an hour after use")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the table to this file")
    parser.add_argument(
        "--rows", type=Path, metavar="FILE", help="write every run to this file, as JSON lines"
    )
    arguments = parser.parse_args()
    CACHE.mkdir(parents=True, exist_ok=True)
    runs: list[Run] = []
    begun = time.monotonic()
    for kind in arguments.containers:
        for minutes in arguments.minutes:
            slow = minutes <= _SLOW_RIVALS_UPTO and not arguments.no_slow_rivals
            with tempfile.TemporaryDirectory(dir=CACHE) as folder:
                for run in Bench(kind, minutes, arguments.megabits, Path(folder)).runs(
                    arguments.repeats, slow=slow
                ):
                    runs.append(run)
                    _report(run, arguments.rows)
            if arguments.delete and minutes > _SLOW_RIVALS_UPTO:
                long_recording(kind, minutes, arguments.megabits).unlink()
    text = page(runs, minutes=(time.monotonic() - begun) / 60, megabits=arguments.megabits)
    print(text)
    if arguments.write:
        arguments.write.write_text(text)


def _report(run: Run, rows: Path | None) -> None:
    line = json.dumps(asdict(run))
    print(line, file=sys.stderr, flush=True)
    if rows:
        with rows.open("a") as file:
            file.write(line + "\n")


if __name__ == "__main__":
    main()
