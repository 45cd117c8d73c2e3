"""Finds the processes that use a file or a port in /proc, so that an error can name the one to stop.

Another user's processes can't be inspected; they are left out.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_LONGEST_COMMAND = 80
_LISTENS = "0A"
"""TCP_LISTEN in /proc/net/tcp (proc(5))."""


@dataclass(frozen=True)
class Process:
    """A process other than this one."""

    pid: int
    command: str

    def __str__(self) -> str:
        return f"process {self.pid} ({self.command})" if self.command else f"process {self.pid}"


def with_open_file(path: Path) -> list[Process]:
    """The processes that have the file open."""
    wanted = os.path.realpath(path)
    return _with(lambda target: target == wanted)


def listening_on(port: int) -> list[Process]:
    """The processes that listen on the TCP port."""
    sockets = {f"socket:[{inode}]" for inode in _listening(port)}
    return _with(lambda target: target in sockets) if sockets else []


def describe(processes: Sequence[Process]) -> str:
    """The processes, for a message."""
    return ", ".join(map(str, processes)) or "a process that can't be inspected"


def _with(wanted: Callable[[str], bool]) -> list[Process]:
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return [
        Process(pid, _command(pid)) for pid in pids if pid != os.getpid() and any(map(wanted, _open(pid)))
    ]


def _open(pid: int) -> Iterator[str]:
    """The targets of its descriptors. Links are read, not followed: a file on an unreachable NAS would
    block."""
    folder = f"/proc/{pid}/fd"
    try:
        descriptors = os.listdir(folder)
    except OSError:
        return
    for descriptor in descriptors:
        try:
            yield os.readlink(f"{folder}/{descriptor}")
        except OSError:
            continue


def _command(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return ""
    text = " ".join(b" ".join(words).decode(errors="replace").split())
    return text if len(text) <= _LONGEST_COMMAND else text[: _LONGEST_COMMAND - 1] + "…"


def _listening(port: int) -> Iterator[str]:
    for table in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/self/net/{table}").read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == _LISTENS and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]
