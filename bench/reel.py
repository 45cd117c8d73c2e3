"""`python -m bench.reel`: what reels cost, beside one ffmpeg that encodes the same reel with filters.

Parts of a few seconds from recordings of 1080p30 at 8 Mbit/s, in turn (`smart` encodes all where they are
of different kinds). Each method has its own process, and they alternate: `smart` and `encode` are
`clipping-agent reel`, with its start, verification and SHA-256; `ffmpeg` has an input for each part, and
xfade and acrossfade, or concat, with the encoder's settings that the engine uses. CPU time is that of the
method and all its processes, memory the largest sum of their pages (PSS). Disk: the most that was in the
reel's folder at once. The recordings are in the page cache after the first run."""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import av

from agent.cutting import find_ffmpeg
from bench.measure.forked import Used, used_by
from bench.recording import KINDS, long_recording
from clipping.contract.choices import TransitionType

_MINUTES = 10
_RATE = 30
_LOOK_SECONDS = 0.2


@dataclass(frozen=True)
class Part:
    """Seconds of a recording."""

    source: Path
    start: float
    end: float


@dataclass(frozen=True)
class Case:
    """A reel."""

    parts: tuple[Part, ...]
    transition: TransitionType
    duration: float
    """Of a transition, in seconds."""

    @property
    def frames(self) -> int:
        """How many the reel should have."""
        lengths = sum(part.end - part.start for part in self.parts)
        overlaps = self.duration * (len(self.parts) - 1) if self.transition == "dissolve" else 0
        return round((lengths - overlaps) * _RATE)


def parts_of(sources: Sequence[Path], count: int, seconds: float) -> tuple[Part, ...]:
    """Parts that do not overlap, of the recordings in turn."""
    step = (_MINUTES * 60 - 20) / (count / len(sources) + 1)
    return tuple(
        Part(sources[number % len(sources)], start, start + seconds)
        for number in range(count)
        for start in [round(3.3 + number // len(sources) * step, 2)]
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", type=int, nargs="+", default=[5, 50], help="how many parts")
    parser.add_argument("--seconds", type=float, default=4, help="the length of a part")
    parser.add_argument("--transition", choices=get_args(TransitionType), default="dissolve")
    parser.add_argument("--duration", type=float, default=0.5, help="of a transition, in seconds")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=["mp4"], help="of the recordings")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--methods", nargs="+", choices=["smart", "encode", "ffmpeg"])
    arguments = parser.parse_args()
    sources = [long_recording(kind, _MINUTES) for kind in arguments.kinds]
    print("| parts | method | seconds of video | wall s | CPU s | of ffmpeg | PSS MB | disk MB | reel MB |")
    print("|--:|---|--:|--:|--:|--:|--:|--:|--:|")
    for count in arguments.parts:
        parts = parts_of(sources, count, arguments.seconds)
        case = Case(parts, arguments.transition, arguments.duration)
        _compare(case, arguments.repeats, arguments.methods or ["ffmpeg", "encode", "smart"])
    return 0


@dataclass(frozen=True)
class Run:
    """One run of a method."""

    used: Used
    disk: int
    """Bytes."""
    size: int
    """Of the reel, in bytes."""


def _compare(case: Case, repeats: int, names: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        methods: Mapping[str, Callable[[Path], None]] = {
            "ffmpeg": lambda target: _ffmpeg(case, target),
            "encode": lambda target: _reel(case, "encode", target),
            "smart": lambda target: _reel(case, "smart", target),
        }
        runs: dict[str, list[Run]] = {each: [] for each in names}
        for _ in range(repeats):
            for each in names:
                runs[each].append(_measured(case, methods[each], folder))
        base = _median(runs["ffmpeg"], lambda run: run.used.cpu) if "ffmpeg" in runs else None
        for each in names:
            cells = _cells(runs[each], base)
            print(
                f"| {len(case.parts)} | {each} | {case.frames / _RATE:.1f} | {' | '.join(cells)} |",
                flush=True,
            )


def _cells(runs: Sequence[Run], base: float | None) -> list[str]:
    cpu = _median(runs, lambda run: run.used.cpu)
    return [
        f"{_median(runs, lambda run: run.used.wall):.1f}",
        f"{cpu:.1f}",
        f"{cpu / base:.2f}" if base else "",
        *(
            f"{_median(runs, value) / 1e6:.0f}"
            for value in (lambda run: run.used.memory, lambda run: run.disk, lambda run: run.size)
        ),
    ]


def _measured(case: Case, method: Callable[[Path], None], folder: Path) -> Run:
    target = folder / "reel.mp4"
    with _watched(folder) as most:
        used = used_by(lambda: method(target))
    with av.open(str(target)) as container:
        frames = container.streams.video[0].frames
    # The recordings are a repeated minute, and may lack a frame where two meet.
    if abs(frames - case.frames) > len(case.parts):
        raise SystemExit(f"{frames} frames instead of {case.frames}")
    run = Run(used, most[0], target.stat().st_size)
    target.unlink()
    return run


@contextmanager
def _watched(folder: Path) -> Iterator[list[int]]:
    """The most bytes that are in the folder at once."""
    most, ended = [0], threading.Event()

    def look() -> None:
        while not ended.wait(_LOOK_SECONDS):
            most[0] = max(most[0], _size(folder))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield most
    finally:
        ended.set()
        thread.join()


def _size(folder: Path) -> int:
    found = 0
    for path in folder.rglob("*"):
        try:
            found += path.stat().st_size if path.is_file() else 0
        except OSError:
            continue  # removed meanwhile
    return found


def _reel(case: Case, mode: str, target: Path) -> None:
    clips = [
        {"nas_video_path": str(part.source), "start_seconds": part.start, "end_seconds": part.end}
        for part in case.parts
    ]
    transition = {"type": case.transition, "duration": case.duration}
    body = {"clips": clips, "transition": transition, "mode": mode}
    command = [sys.executable, "-m", "agent.cli", "reel", "-", "-o", str(target), "--encoder", "cpu"]
    subprocess.run(
        command, input=json.dumps(body), text=True, stdout=subprocess.DEVNULL, check=True, timeout=3600
    )


def _ffmpeg(case: Case, target: Path) -> None:
    command = [str(find_ffmpeg(None)), "-v", "error", "-nostdin", "-y"]
    for part in case.parts:
        command += [
            "-ss",
            str(part.start),
            "-t",
            str(round(part.end - part.start, 3)),
            "-i",
            str(part.source),
        ]
    command += ["-filter_complex", _filters(case), "-map", "[v]", "-map", "[a]"]
    command += ["-c:v", "libx264", "-preset", "veryfast", "-crf", "18", "-profile:v", "high"]
    command += ["-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "192k", "-movflags", "+faststart", str(target)]
    subprocess.run(command, check=True, timeout=3600)


def _filters(case: Case) -> str:
    if case.transition != "dissolve":
        return _joined(case)
    video, audio, at = "[i0]", "[0:a]", 0.0
    steps = [f"[{number}:v]fps={_RATE},settb=1/{_RATE}[i{number}]" for number in range(len(case.parts))]
    for number in range(1, len(case.parts)):
        before = case.parts[number - 1]
        at = round(at + before.end - before.start - case.duration, 3)
        last = number == len(case.parts) - 1
        end, mixed = ("[v]", "[a]") if last else (f"[v{number}]", f"[a{number}]")
        steps.append(f"{video}[i{number}]xfade=fade:{case.duration}:{at}{end}")
        steps.append(f"{audio}[{number}:a]acrossfade=d={case.duration}:c1=tri:c2=tri{mixed}")
        video, audio = end, mixed
    return ";".join(steps)


def _joined(case: Case) -> str:
    steps, names = [], ""
    half = case.duration / 2
    for number, part in enumerate(case.parts):
        length, fades, fading = part.end - part.start, f"fps={_RATE}", "anull"
        if case.transition == "fade":
            out = round(length - half, 3)
            fades += f",fade=in:d={half},fade=out:st={out}:d={half}"
            fading = f"afade=in:d={half},afade=out:st={out}:d={half}"
        steps += [f"[{number}:v]{fades}[v{number}]", f"[{number}:a]{fading}[a{number}]"]
        names += f"[v{number}][a{number}]"
    return ";".join([*steps, f"{names}concat=n={len(case.parts)}:v=1:a=1[v][a]"])


def _median(runs: Sequence[Run], value: Callable[[Run], float]) -> float:
    return statistics.median(value(run) for run in runs)


if __name__ == "__main__":
    sys.exit(main())
