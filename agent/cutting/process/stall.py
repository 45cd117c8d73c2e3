"""Distinguishes a slow job from a stalled one: by its progress and by the resources its processes use."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_USER_TICKS, _SYSTEM_TICKS = 11, 12
"""Behind the name in /proc/PID/stat (proc(5))."""
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_CPU_THAT_COUNTS = 0.1
"""Seconds; printing the same progress for a quarter of an hour takes less."""


@dataclass(frozen=True)
class Usage:
    """What a process has used since it started."""

    read: int
    """Bytes that it asked for, from files and pipes."""
    fetched: int
    """Bytes that came from a disk for it, files that it maps into its memory included."""
    written: int
    """Bytes, to files and pipes."""
    cpu: float
    """Seconds, of all its threads."""

    @property
    def helper_work(self) -> object:
        """An unchanged value means that an ffmpeg is stalled.

        It may compute for long without reading a byte. From version 7 on it writes its progress also while it
        waits, so that what it writes says nothing.
        """
        return self.read, self.fetched, int(self.cpu / _CPU_THAT_COUNTS)

    @property
    def job_work(self) -> object:
        """An unchanged value means that a job's process is stalled."""
        return self.written, self.helper_work


def usage(pid: int) -> Usage | None:
    """What a process has used (proc(5)); None when it is gone or can't be read."""
    try:
        moved = Path(f"/proc/{pid}/io").read_text()
        # The name, in brackets, may hold anything; the fields behind it are numbers.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    counts = {key: int(value) for key, value in (line.split(": ") for line in moved.splitlines())}
    ticks = int(fields[_USER_TICKS]) + int(fields[_SYSTEM_TICKS])
    return Usage(
        read=counts["rchar"],
        fetched=counts["read_bytes"],
        written=counts["wchar"],
        cpu=ticks / _TICKS_A_SECOND,
    )


class StallWatch:
    """Measures how long a job has been stalled."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: object = None
        self._since = clock()

    def moved(self) -> None:
        """The job has sent a message."""
        self._since = self._clock()

    def still_for(self, state: object) -> float:
        """Seconds since the job's last message or the last change of `state`."""
        now = self._clock()
        if state != self._seen:
            self._seen, self._since = state, now
        return now - self._since
