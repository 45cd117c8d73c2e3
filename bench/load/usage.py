"""Resource usage of a process, from /proc."""

from __future__ import annotations

import os
from pathlib import Path


def processor_seconds(pid: int) -> float:
    """CPU time in user and kernel mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def megabytes(pid: int) -> float:
    """Resident memory."""
    return _status_kilobytes(pid, "VmRSS:") / 1024


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


def _status_kilobytes(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(name)))
