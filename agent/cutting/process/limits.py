"""What a job and its ffmpeg may use of the machine, so that neither takes the daemon along."""

from __future__ import annotations

import os
import resource
from pathlib import Path

_MEMORY_SHARE = 0.75
_KILLED_FIRST = "700"
"""When memory runs out the kernel ends the cut, not the daemon (proc(5), oom_score_adj)."""


def most_memory() -> int:
    """How much of this machine's memory one process may have, in bytes."""
    return int(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * _MEMORY_SHARE)


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
