"""`python -m bench.damage`: the cost of the damage check, as a share of the cut.

Cuts two of ten minutes of 1080p at 8 Mbit/s, in MP4, Matroska and MPEG-TS, in modes copy and smart,
alternately with and without the check of packets. Each cut has its own process; the recording is in the page
cache. CPU time is that of the whole cut, including verification and SHA-256."""

from __future__ import annotations

import argparse
import os
import resource
import socket
import statistics
import sys
import tempfile
import threading
from fractions import Fraction
from pathlib import Path
from typing import Any

from agent.cutting import CutSpec, find_ffmpeg
from agent.cutting.cut import run_cut
from agent.cutting.indexed.watch import Watch
from agent.cutting.plan.encoders import Choice
from agent.cutting.plan.spec import Order
from agent.cutting.process.context import Context
from agent.cutting.reading.source import open_path
from agent.cutting.reading.walk import Walk
from bench.recording import Kind, long_recording
from clipping.contract.choices import Mode

_KINDS: tuple[Kind, ...] = ("mp4", "mkv", "ts")
_MODES: tuple[Mode, ...] = ("copy", "smart")
_MINUTES = 10
_BEGIN, _END = Fraction("241.23"), Fraction("361.23")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--kinds", nargs="+", choices=_KINDS, default=_KINDS)
    parser.add_argument("--most", type=float, help="fail when the check takes a larger share of the cut")
    arguments = parser.parse_args()
    print("| recording | mode | CPU s without | CPU s with | ratio |")
    print("|---|---|--:|--:|--:|")
    worst = 0.0
    for kind in arguments.kinds:
        source = long_recording(kind, _MINUTES)
        for mode in _MODES:
            without, checked = _medians(source, mode, arguments.repeats)
            worst = max(worst, checked / without - 1)
            print(
                f"| {kind} | {mode} | {without:.3f} | {checked:.3f} | {checked / without:.3f} |", flush=True
            )
    return 1 if arguments.most is not None and worst > arguments.most else 0


def _medians(source: Path, mode: Mode, repeats: int) -> tuple[float, float]:
    """Median CPU seconds of a cut without and with the check."""
    _cpu(source, mode, checks=True)  # loads the recording into the page cache
    pairs = [(_cpu(source, mode, checks=False), _cpu(source, mode, checks=True)) for _ in range(repeats)]
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)


def _cpu(source: Path, mode: Mode, *, checks: bool) -> float:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            _cut(source, mode, checks=checks)
            code = 0
        finally:
            sys.stderr.flush()
            os._exit(code)
    _, status, usage = os.wait4(child, 0)
    if status != 0:
        raise SystemExit(f"the cut of {source.name} failed")
    return usage.ru_utime + usage.ru_stime


def _cut(source: Path, mode: Mode, *, checks: bool) -> None:
    if not checks:
        Walk.see = _nothing  # type: ignore[method-assign]
        Watch.__call__ = _nothing  # type: ignore[method-assign]
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    threading.Thread(target=_drain, args=(theirs,), daemon=True).start()
    with tempfile.TemporaryDirectory() as folder, open_path(source) as file:
        spec = CutSpec(source, _BEGIN, _END, mode, "high")
        choice = Choice("libx264", ())
        order = Order(spec, file.identity, Path(folder), "clip", find_ffmpeg(None), choice)
        clip = run_cut(Context(ours), file.descriptor, order)
        if clip.report.mode != mode or clip.report.warnings:
            raise SystemExit(f"{source.name}: {clip.report.mode}, {clip.report.warnings}")


def _nothing(*_: Any) -> None:
    pass


def _drain(channel: socket.socket) -> None:
    while channel.recv(1 << 16):
        pass


if __name__ == "__main__":
    sys.exit(main())
