"""Tells a slow job from one that stands still: by its progress and by what its processes read and write."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

_READING = ("rchar", "read_bytes")
_USER_TICKS, _SYSTEM_TICKS = 11, 12
"""Behind the name in /proc/PID/stat (proc(5))."""
_TICKS_THAT_COUNT = max(1, os.sysconf("SC_CLK_TCK") // 10)
"""A tenth of a second; printing the same progress for a quarter of an hour takes less."""
_MOVING = (*_READING, "wchar", "write_bytes")


def work_done(pid: int) -> object:
    """What a process has read and computed so far: the same again means that it stands still.

    None when it is gone or can't be looked into. ffmpeg may compute for long without reading a byte, and from
    version 7 on it writes its progress also when it stands still: what it writes says nothing.
    """
    read = _counted(pid, _READING)
    try:
        # The name, in brackets, may hold anything; the fields behind it are numbers.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    ticks = int(fields[_USER_TICKS]) + int(fields[_SYSTEM_TICKS])
    return read, ticks // _TICKS_THAT_COUNT


def bytes_moved(pid: int) -> int | None:
    """All bytes that a process has read and written so far; None when it is gone or can't be looked into.

    ffmpeg prints no progress while it moves an index, and none while it scans for one: only this shows that
    it works (proc(5), /proc/PID/io).
    """
    return _counted(pid, _MOVING)


def _counted(pid: int, kinds: tuple[str, ...]) -> int | None:
    try:
        lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    except OSError:
        return None
    return sum(int(value) for key, value in (line.split(": ") for line in lines) if key in kinds)


class StallWatch:
    """Says for how long a job has stood still."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: object = None
        self._since = clock()

    def moved(self) -> None:
        """The job has said something."""
        self._since = self._clock()

    def still_for(self, state: object) -> float:
        """Seconds since the job last spoke or `state`, whatever it is, last changed."""
        now = self._clock()
        if state != self._seen:
            self._seen, self._since = state, now
        return now - self._since
