"""Resource usage of a process, from /proc."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tests.support.procs import descendants_of
from tests.support.stack import RunningStack

_GONE = (FileNotFoundError, ProcessLookupError)


def processor_seconds(pid: int) -> float:
    """CPU time in user and kernel mode, in all threads."""
    return _seconds(pid, 11)


def reaped_seconds(pid: int) -> float:
    """CPU time of the exited children that the process has waited for, with theirs."""
    return _seconds(pid, 13)


def children_seconds(pid: int) -> float:
    """CPU time of all its descendants, running or exited."""
    total = reaped_seconds(pid)
    for child in descendants_of(pid):
        with suppress(*_GONE):  # it exited meanwhile
            total += processor_seconds(child) + reaped_seconds(child)
    return total


def megabytes(pid: int) -> float:
    """Resident memory."""
    return _kilobytes(pid, "status", "VmRSS:") / 1024


def proportional_megabytes(pid: int) -> float:
    """PSS: resident memory, of which shared pages are divided among their processes."""
    return _kilobytes(pid, "smaps_rollup", "Pss:") / 1024


def processes_of(stack: RunningStack) -> dict[str, int]:
    """The process ids of a local stack with one agent, by name."""
    return {"clipping up": stack.process.pid} | {
        each: stack.pid(each) for each in ("api", "broker", "agent-1")
    }


def seconds_by_process(pids: Mapping[str, int]) -> dict[str, float]:
    """CPU time of each process, and of the children of the agents."""
    seconds = {name: processor_seconds(pid) for name, pid in pids.items()}
    children = {name: children_seconds(pid) for name, pid in pids.items() if name.startswith("agent")}
    return seconds | {f"{name}'s children": each for name, each in children.items()}


def megabytes_by_process(pids: Mapping[str, int]) -> dict[str, float]:
    """PSS of each process, and of the running children of the agents."""
    memory = {name: proportional_megabytes(pid) for name, pid in pids.items()}
    for name, pid in pids.items():
        if name.startswith("agent"):
            memory[f"{name}'s children"] = sum(map(_present_megabytes, descendants_of(pid)))
    return memory


def _present_megabytes(pid: int) -> float:
    """PSS of a process, or nothing if it exited meanwhile."""
    with suppress(*_GONE):
        return proportional_megabytes(pid)
    return 0.0


def since(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """The differences by name."""
    return {name: after[name] - before[name] for name in before}


def temporary_megabytes(pid: int) -> float:
    """Size of its open but deleted files: temporary files."""
    total = 0
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            info = entry.stat()
        except OSError:  # closed meanwhile, or without a size
            continue
        if info.st_nlink == 0:
            total += info.st_size
    return total / 1e6


def _seconds(pid: int, first: int) -> float:
    """The sum of two fields of `stat`, counted from the one after the name: user and kernel mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[first]) + int(fields[first + 1])) / os.sysconf("SC_CLK_TCK")


def _kilobytes(pid: int, file: str, name: str) -> int:
    lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(name)))
