"""Tells a slow job from one that stands still: by its progress and by what its processes read and write."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

_READING = ("rchar", "read_bytes")
_MOVING = (*_READING, "wchar", "write_bytes")


def bytes_read(pid: int) -> int | None:
    """All bytes that a process has read so far; None when it is gone or can't be looked into.

    ffmpeg reads while it works, the index that it moves included. From version 7 on it also writes its
    progress when it stands still, so that what it writes says nothing.
    """
    return _counted(pid, _READING)


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
