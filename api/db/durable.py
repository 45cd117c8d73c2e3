"""Group commit for SQLite: one flush covers all earlier commits.

With `synchronous = FULL`, SQLite flushes within each commit while it holds the write lock, which limits the
requests per second to the disk's flushes. With `synchronous = NORMAL`, a commit is complete and ordered in
the write-ahead log, but may not be on disk. So a commit is only confirmed after the log was flushed, which
happens outside of the lock. SQLite itself flushes the log before a checkpoint and when the log restarts (see
"Write-Ahead Logging", sqlite.org/wal.html).
"""

from __future__ import annotations

import os
import threading

WAIT_SECONDS = 30.0
"""The time limit of one flush."""


class SharedFlush:
    """Flushes one file for many threads."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._changed = threading.Condition()
        self._written = 0
        self._flushed = 0
        self._flushing = False
        self.flushes = 0
        """The number of flushes."""

    def wait(self) -> None:
        """Return once everything written before the call is on disk. Raises `OSError`."""
        with self._changed:
            self._written += 1
            mine = self._written
            while self._flushed < mine:
                if not self._flushing:
                    self._flush_once()
                elif not self._changed.wait(WAIT_SECONDS):
                    raise TimeoutError(f"flushing {self._path} takes longer than {WAIT_SECONDS:g} s")

    def _flush_once(self) -> None:
        """Flush for all current callers; later ones wait for the next flush."""
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
            return  # the database has no write-ahead log: each commit flushes
        try:
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
