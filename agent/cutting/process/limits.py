"""Limits of a job and its ffmpeg, so that neither brings the daemon down."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MEMORY_SHARE = 0.75
"""The share of the machine's memory for all jobs together."""
_LEAST = 2 << 30
"""What one process may have at least, if the share allows: encoding 3840x2160 takes 1.4 GB on two cores."""
_KILLED_FIRST = "700"
"""When memory runs out the kernel ends the cut, not the daemon (proc(5), oom_score_adj)."""
_CGROUPS = Path("/sys/fs/cgroup")


def memory_share(slots: int, machine: int | None = None) -> int:
    """The bytes that one process may use where `slots` jobs run at once.

    `machine`: the memory of the machine; None: that of this one, or of this container.
    """
    share = int((machine_memory() if machine is None else machine) * _MEMORY_SHARE)
    return max(share // slots, min(share, _LEAST))


def machine_memory() -> int:
    """The bytes of memory that this process can have, with the limits of its control groups."""
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        groups = Path("/proc/self/cgroup").read_text()
    except OSError:
        groups = ""
    return min([physical, *group_limits(groups, _CGROUPS)])


def group_limits(groups: str, mounted: Path) -> Iterator[int]:
    """The memory limits of a process's control groups and of those above them.

    `groups` is the content of /proc/PID/cgroup (cgroups(7)), `mounted` where control groups are mounted.
    Inside a container the group's path may be the host's, and its limit is then at the mount's root.
    """
    for line in groups.splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            top, name = mounted, "memory.max"
        elif "memory" in controllers.split(","):
            top, name = mounted / "memory", "memory.limit_in_bytes"
        else:
            continue
        group = Path(path.lstrip("/"))
        for folder in (group, *group.parents):
            try:
                yield int((top / folder / name).read_text())
            except (OSError, ValueError):
                continue  # not there, or "max"


def own_memory_limit() -> int:
    """The bytes of memory that this process may use."""
    return resource.getrlimit(resource.RLIMIT_DATA)[0]


def short_of_memory() -> bool:
    """Whether this process has used so much of its memory that an allocation may have failed for that."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    allowed = own_memory_limit()
    return allowed != resource.RLIM_INFINITY and peak > allowed // 2


@contextmanager
def at_most_more(size: int) -> Iterator[None]:
    """Let this process use at most `size` bytes more than it does now: beyond that is a `MemoryError`."""
    before = resource.getrlimit(resource.RLIMIT_DATA)[0]
    used = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
    unlimited = before == resource.RLIM_INFINITY
    limit(0, resource.RLIMIT_DATA, used + size if unlimited else min(used + size, before))
    try:
        yield
    finally:
        limit(0, resource.RLIMIT_DATA, None if unlimited else before)


def out_of_memory(who: str, allowed: int) -> str:
    """The message for a process that exceeded its memory limit."""
    return (
        f"{who} needs more memory than one process may have here ({allowed >> 20} MB): "
        "lower agent.slots, or give the agent more memory"
    )


def limit(pid: int, kind: int, most: int | None) -> None:
    """Set a soft limit (RLIMIT_…) of a process; None: as much as it may have."""
    try:
        _, hard = resource.prlimit(pid, kind)
        unlimited = hard == resource.RLIM_INFINITY
        allowed = hard if most is None else most if unlimited else min(most, hard)
        resource.prlimit(pid, kind, (allowed, hard))
    except ProcessLookupError:
        pass  # it has ended already


def first_to_go(pid: int) -> None:
    """Let the kernel end this process before others when memory runs out."""
    try:
        Path(f"/proc/{pid}/oom_score_adj").write_text(_KILLED_FIRST)
    except OSError:
        pass  # it has ended already, or this kernel does not let us
