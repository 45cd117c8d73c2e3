"""What a command or a cut of the engine costs: time, processor, bytes read."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_REAP_SECONDS = 2.0


@dataclass(frozen=True)
class Cost:
    """Of one run."""

    wall: float
    """Seconds."""
    cpu: float
    """Seconds of all processes that took part, the kernel's work for them included."""
    asked: int
    """Bytes that they read by system calls, from the page cache or the disk."""
    fetched: int
    """Bytes that had to come from the disk."""


def of_command(command: Sequence[str], seconds: float) -> Cost:
    """Run a command to its end. Raises `CalledProcessError`, `TimeoutExpired`."""
    before = _reading(os.getpid())
    begun = time.perf_counter()
    subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=seconds)
    return _since(before, _reading(os.getpid()), time.perf_counter() - begun)


def of_children(parent: int, work: Callable[[], None]) -> Cost:
    """Do work that the children of the process `parent` carry out."""
    before = _reading(parent)
    begun = time.perf_counter()
    work()
    wall = time.perf_counter() - begun
    # Only when its children have been waited for, a process answers for them.
    until = time.monotonic() + _REAP_SECONDS
    while children_of(parent) and time.monotonic() < until:
        time.sleep(0.005)
    return _since(before, _reading(parent), wall)


def children_of(pid: int) -> list[int]:
    """The processes that it started and that are still there."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return found


def drop_from_memory(path: Path) -> None:
    """Make the kernel forget what it has of the file, so that the next reader gets it from the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def _reading(pid: int) -> tuple[float, int, int]:
    """Seconds of processor and bytes of the process's ended children; with its own bytes, which are few."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    cpu = (int(fields[13]) + int(fields[14])) / _TICKS
    io = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    return cpu, int(io["rchar"]), int(io["read_bytes"])


def _since(before: tuple[float, int, int], after: tuple[float, int, int], wall: float) -> Cost:
    return Cost(wall, after[0] - before[0], after[1] - before[1], after[2] - before[2])
