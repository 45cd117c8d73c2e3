"""Files on the disk: room for a clip's, their way there, and folders in which something is kept.

Python has no wrappers for the first calls.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent.cutting.reading.source import out_of_space
from clipping.errors import NoSpace

_SYNC_FILE_RANGE_WRITE = 2
_libc = ctypes.CDLL(None, use_errno=True)


def reserve(descriptor: int, size: int) -> None:
    """Give an empty file its size, and its room where the file system can. Raises `OSError`.

    Blocks that are reserved at once cost less than those that are found one by one when they are written.
    `os.posix_fallocate` would write zeros where a file system can't reserve.
    """
    if _libc.fallocate(descriptor, 0, ctypes.c_int64(0), ctypes.c_int64(size)) == 0:
        return
    error = OSError(ctypes.get_errno(), "no room can be reserved")
    if out_of_space(error):
        raise error
    os.ftruncate(descriptor, size)


def start_write_back(descriptor: int, at: int, size: int) -> None:
    """Have the kernel begin to write these bytes of a file to the disk, all from `at` with size 0.

    The store's fsync, which still makes the file durable and reports errors, then has little left to do.
    Does nothing where the file system can't.
    """
    _libc.sync_file_range(descriptor, ctypes.c_int64(at), ctypes.c_int64(size), _SYNC_FILE_RANGE_WRITE)


@contextmanager
def keeping_in(folder: Path) -> Iterator[None]:
    """Raise `NoSpace` where a folder, in which something is kept for a later attempt, can't be used."""
    try:
        yield
    except OSError as error:
        raise NoSpace(f"nothing can be kept in {folder.parent}: {error.strerror}") from error


def flush(path: Path) -> None:
    """Wait until a file's data is on the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def size_of(path: Path) -> int | None:
    """Bytes of a file; None when there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None
