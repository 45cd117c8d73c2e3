"""`python -m bench.resume`: what encoding in segments costs, and how much work it saves when a cut is killed.

Encodes a part of a recording of 1080p at 8 Mbit/s, alternately in a single pass and in segments. Then kills
(SIGKILL, the cut and its ffmpeg) an encode in segments at 25, 50 and 75 % of its progress, and resumes it.
Each attempt has its own process; the recording is in the page cache. CPU time is that of the whole cut,
including verification and SHA-256. `--other-agent`: the same with real agents, of which the second one takes
over from the store what the first one had finished when it was killed."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import statistics
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from agent.cutting import CutSpec, Keep, find_ffmpeg
from agent.cutting.cut import run_cut
from agent.cutting.plan.encoders import Choice
from agent.cutting.plan.spec import Order
from agent.cutting.process.context import Context
from agent.cutting.process.protocol import Kept, Progress, receive
from agent.cutting.reading.source import open_path
from bench.recording import Kind, long_recording
from bench.resume_elsewhere import compare, measured
from clipping.contract.checkpoint import Checkpoint
from tests.support.seaweed import Seaweed

_KINDS: tuple[Kind, ...] = ("mp4", "mkv", "ts")
_PERCENTS = (25, 50, 75)
_MINUTES = 10
_BEGIN = Fraction("241.23")
_ATTEMPT = "clip"


@dataclass(frozen=True)
class Attempt:
    """One attempt at the clip, to its end or until it was killed."""

    cpu: float
    """Seconds."""
    first: Checkpoint | None
    """The first checkpoint that it reported: where it resumed, if it did."""
    last: Checkpoint | None


@dataclass(frozen=True)
class Bench:
    """Encodes of one range of one recording."""

    source: Path
    seconds: int
    segment_seconds: float
    folder: Path

    @property
    def clip(self) -> Path:
        return self.folder / f"{_ATTEMPT}.mp4"

    def run(self, *, segments: bool, kill_at: float = 200.0) -> Attempt:
        """`kill_at`: percent of the progress."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                os.setpgid(0, 0)
                theirs.close()
                self._cut(ours, segments=segments)
                code = 0
            finally:
                sys.stderr.flush()
                os._exit(code)
        ours.close()
        reported, killed = [], False
        with theirs:
            while (message := receive(theirs)) is not None:
                if isinstance(message, Kept):
                    reported.append(message.checkpoint)
                if isinstance(message, Progress) and message.percent >= kill_at and not killed:
                    os.killpg(child, signal.SIGKILL)
                    killed = True
        _, status, usage = os.wait4(child, 0)
        if status != 0 and not killed:
            raise SystemExit(f"the cut of {self.source.name} failed")
        cpu = usage.ru_utime + usage.ru_stime
        return Attempt(cpu, reported[0] if reported else None, reported[-1] if reported else None)

    def forget(self) -> None:
        """Remove the clip and what was kept of it."""
        shutil.rmtree(self.folder / "kept", ignore_errors=True)
        for left in self.folder.glob(f"{_ATTEMPT}.*"):
            left.unlink()

    def _cut(self, channel: socket.socket, *, segments: bool) -> None:
        with open_path(self.source) as file:
            spec = CutSpec(self.source, _BEGIN, _BEGIN + self.seconds, "encode", "high")
            keep = Keep(self.folder / "kept", "clip", "spec", "bench", 0, self.segment_seconds)
            order = Order(
                spec,
                file.identity,
                self.folder,
                _ATTEMPT,
                find_ffmpeg(None),
                Choice("libx264", ()),
                keep=keep if segments else None,
            )
            run_cut(Context(channel), file.descriptor, order)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=60, help="the length of the clip")
    parser.add_argument("--segment-seconds", type=float, default=10)
    parser.add_argument("--kinds", nargs="+", choices=_KINDS, default=_KINDS)
    parser.add_argument("--other-agent", action="store_true", help="another agent resumes")
    parser.add_argument("--percents", type=int, nargs="*", default=_PERCENTS, help="when to kill")
    parser.add_argument("--store", choices=["local", "s3"], default="local", help="with --other-agent")
    arguments = parser.parse_args()
    if arguments.other_agent:
        _compare_agents(arguments)
        return 0
    print("| recording | | single pass | in segments | ratio |")
    print("|---|---|--:|--:|--:|")
    benches = []
    with tempfile.TemporaryDirectory() as folder:
        for kind in arguments.kinds:
            own = Path(folder) / kind
            own.mkdir()
            source = long_recording(kind, _MINUTES)
            benches.append(
                (kind, Bench(source, arguments.seconds, arguments.segment_seconds, own), arguments.repeats)
            )
        wholes = {kind: _compare(kind, bench, repeats) for kind, bench, repeats in benches}
        print("\n| recording | killed at | resumed at | CPU s of the rest | of the whole | saved |")
        print("|---|--:|--:|--:|--:|--:|")
        for kind, bench, _ in benches:
            for percent in arguments.percents:
                _kill(kind, bench, percent, wholes[kind])
    return 0


def _compare_agents(arguments: argparse.Namespace) -> None:
    with ExitStack() as stack:
        server = None
        if arguments.store == "s3":
            server = stack.enter_context(Seaweed(Path(stack.enter_context(tempfile.TemporaryDirectory()))))
        compare(arguments.kinds, arguments.seconds, arguments.segment_seconds, arguments.percents, server)


def _compare(kind: Kind, bench: Bench, repeats: int) -> float:
    """Print the comparison; CPU seconds of an encode in segments."""
    cpu: tuple[list[float], list[float]] = ([], [])
    size, frames, apart = [0, 0], [0, 0], [0.0, 0.0]
    for _ in range(repeats):
        for number, segments in enumerate((False, True)):
            cpu[number].append(bench.run(segments=segments).cpu)
            size[number] = bench.clip.stat().st_size
            frames[number], apart[number] = measured(bench.clip)
            bench.forget()
    once, segmented = (statistics.median(one) for one in cpu)
    print(f"| {kind} | CPU s | {once:.2f} | {segmented:.2f} | {segmented / once:.3f} |")
    print(f"| {kind} | bytes | {size[0]} | {size[1]} | {size[1] / size[0]:.4f} |")
    print(f"| {kind} | frames | {frames[0]} | {frames[1]} | {frames[1] / frames[0]:.3f} |")
    print(f"| {kind} | audio ends, ms after video | {apart[0]:.1f} | {apart[1]:.1f} | |", flush=True)
    return segmented


def _kill(kind: Kind, bench: Bench, percent: int, whole: float) -> None:
    bench.run(segments=True, kill_at=percent)
    rest = bench.run(segments=True)
    first = rest.first
    at = 100 * first.frame / first.total if first is not None and first.resumed_count else 0.0
    saved = 1 - rest.cpu / whole
    print(f"| {kind} | {percent} % | {at:.0f} % | {rest.cpu:.2f} | {whole:.2f} | {saved:.0%} |", flush=True)
    bench.forget()


if __name__ == "__main__":
    sys.exit(main())
