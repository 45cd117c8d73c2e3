"""Bringing SQLite's commits to the disk together: one flush serves all that were committed before it.

SQLite flushes within each commit (`synchronous = FULL`), and while it does no other thread can write: as many
requests a second as the disk has flushes. With `synchronous = NORMAL` a commit is in the write-ahead log, in
whole and in order, but perhaps not on the disk. So it is not reported before the log was flushed, which
happens outside of the lock. The log's other flushes are SQLite's own: before its content goes into the
database, and when it starts again (see "Write-Ahead Logging", sqlite.org/wal.html).
"""

from __future__ import annotations

import os
import threading

WAIT_SECONDS = 30.0
"""A disk that takes longer for one flush is broken."""


class SharedFlush:
    """Flushes one file for many threads."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._changed = threading.Condition()
        self._written = 0
        self._flushed = 0
        self._flushing = False
        self.flushes = 0
        """How many there were."""

    def wait(self) -> None:
        """Returns when everything that was written before the call is on the disk. Raises `OSError`."""
        with self._changed:
            self._written += 1
            mine = self._written
            while self._flushed < mine:
                if not self._flushing:
                    self._flush_once()
                elif not self._changed.wait(WAIT_SECONDS):
                    raise TimeoutError(f"flushing {self._path} takes longer than {WAIT_SECONDS:g} s")

    def _flush_once(self) -> None:
        """For all who have come so far; those who come meanwhile wait for the next one."""
        self._flushing, covered = True, self._written
        self._changed.release()
        try:
            self._flush()
        finally:
            self._changed.acquire()
            self._flushing = False
            self._changed.notify_all()
        self._flushed = max(self._flushed, covered)
        self.flushes += 1

    def _flush(self) -> None:
        try:
            descriptor = os.open(self._path, os.O_RDONLY)
        except FileNotFoundError:
            return  # the database keeps no such log: its commits flush themselves
        try:
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
