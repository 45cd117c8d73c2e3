"""Measures the cost of a command or of an engine's cut: wall time, CPU time, bytes read."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.load.usage import reaped_seconds

_REAP_SECONDS = 2.0


@dataclass(frozen=True)
class Cost:
    """The cost of one run."""

    wall: float
    """Seconds."""
    cpu: float
    """CPU seconds of all processes involved, in user and kernel mode."""
    read: int
    """Bytes read by system calls, from the page cache or the disk."""
    read_from_disk: int
    """Bytes read from the disk."""


def of_command(command: Sequence[str], seconds: float, written: Path | None = None) -> Cost:
    """Run a command; with `written`, until the file that it writes is on the disk.

    Raises `CalledProcessError`, `TimeoutExpired`.
    """
    before = _reading(os.getpid())
    begun = time.perf_counter()
    subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=seconds)
    if written is not None:
        flush(written)
    return _since(before, _reading(os.getpid()), time.perf_counter() - begun)


def of_children(parent: int, work: Callable[[], None]) -> Cost:
    """Run `work`, which the children of the process `parent` perform."""
    before = _reading(parent)
    begun = time.perf_counter()
    work()
    wall = time.perf_counter() - begun
    # A process's counters include its children only once it has reaped them.
    until = time.monotonic() + _REAP_SECONDS
    while children_of(parent) and time.monotonic() < until:
        time.sleep(0.005)
    return _since(before, _reading(parent), wall)


def children_of(pid: int) -> list[int]:
    """The running child processes of `pid`."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return found


def flush(path: Path) -> None:
    """Wait until the file is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def drop_from_memory(path: Path) -> None:
    """Evict the file from the page cache, so that the next read comes from the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def _reading(pid: int) -> tuple[float, int, int]:
    """CPU seconds and bytes read of the process's reaped children. The bytes include its own, which are
    few."""
    io = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    return reaped_seconds(pid), int(io["rchar"]), int(io["read_bytes"])


def _since(before: tuple[float, int, int], after: tuple[float, int, int], wall: float) -> Cost:
    return Cost(wall, after[0] - before[0], after[1] - before[1], after[2] - before[2])
