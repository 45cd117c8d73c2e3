"""The `tmp` folder of a local store, for writes before a link or a rename gives them their final name.

Each entry is named after its version. Its writer holds an flock on it until it exits, which distinguishes the
entries of dead processes from those of slow or stopped ones. No process waits for these locks. Network file
systems may not support them; there, an entry's age decides.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
_UNLOCKED_SECONDS = 60.0
"""Longer than the time between an entry's creation and its lock."""
_ABANDONED_SECONDS = 24 * 3600.0
_RECEIVED_BYTES = 1 << 18


class Staging:
    """The existing folder `path`. `locks`: whether its file system has reliable locks."""

    def __init__(self, path: Path, *, locks: bool) -> None:
        self._path, self._locks = path, locks

    @contextmanager
    def file(self, name: str, data: bytes) -> Iterator[Path]:
        """A file with `data`, flushed to disk. It is unlinked afterwards; links to it remain."""
        path = self._path / name
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            self._lock(descriptor)
            _write(descriptor, data)
            os.fsync(descriptor)
            yield path
        finally:
            os.close(descriptor)
            path.unlink(missing_ok=True)

    @contextmanager
    def received(self, name: str, read: Callable[[int], bytes], most: int) -> Iterator[Path]:
        """A file with what `read` gives until it gives nothing, up to one byte more than `most`. It is not
        flushed to disk. It is unlinked afterwards; links to it remain."""
        path = self._path / name
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            self._lock(descriptor)
            rest = most + 1
            while rest and (data := read(min(rest, _RECEIVED_BYTES))):
                _write(descriptor, data)
                rest -= len(data)
            yield path
        finally:
            os.close(descriptor)
            path.unlink(missing_ok=True)

    @contextmanager
    def folder(self, name: str) -> Iterator[Path]:
        """An empty folder. If it still has this name afterwards, it is removed."""
        path = self._path / name
        path.mkdir()
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                self._lock(descriptor)
                yield path
            finally:
                os.close(descriptor)
        finally:
            _remove(path)

    def discard(self, name: str) -> None:
        """Unlink a file, even while another process writes it."""
        if name.isalnum():  # untrusted: it was read from a record
            with suppress(FileNotFoundError, IsADirectoryError):
                (self._path / name).unlink()

    def links_work(self) -> bool:
        """Whether this file system has hard links."""
        name = secrets.token_hex(8)
        with self.file(name, b"") as path:
            second = path.with_name(name + "2")
            try:
                os.link(path, second)
            except OSError as error:
                if error.errno in _NO_LINKS:
                    return False
                raise
            second.unlink()
        return True

    def remove_abandoned(self) -> None:
        """Remove the entries of dead processes."""
        for path in self._path.iterdir():
            with suppress(FileNotFoundError):
                if self._is_abandoned(path):
                    _remove(path)

    def _is_abandoned(self, path: Path) -> bool:
        age = time.time() - path.lstat().st_mtime
        if not self._locks:
            return age > _ABANDONED_SECONDS
        if age < _UNLOCKED_SECONDS:
            return False
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(descriptor)
        return True

    def _lock(self, descriptor: int) -> None:
        if self._locks:
            # A store that is being opened may hold it for a moment, to check whether the writer is alive.
            with suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except IsADirectoryError:
        shutil.rmtree(path, ignore_errors=True)
