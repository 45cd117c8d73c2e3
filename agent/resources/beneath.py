"""Opens a file below a folder without following any symlink, even during renames."""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
from pathlib import PurePath

_OPENAT2 = 437
"""The number of the system call, the same on all current architectures. Python has no wrapper for it."""
_RESOLVE_NO_MAGICLINKS, _RESOLVE_NO_SYMLINKS, _RESOLVE_BENEATH = 0x02, 0x04, 0x08
_HOW = struct.pack(
    "QQQ",
    os.O_PATH | os.O_CLOEXEC,
    0,
    _RESOLVE_BENEATH | _RESOLVE_NO_MAGICLINKS | _RESOLVE_NO_SYMLINKS,
)
"""`struct open_how`: flags, mode, resolve (openat2(2))."""
_NOT_HERE = frozenset({errno.ENOSYS, errno.EPERM})
"""An old kernel, or a sandbox without openat2."""
_libc = ctypes.CDLL(None, use_errno=True)


def open_beneath(folder: int, path: str) -> int:
    """The file at a relative path below an open folder, opened with O_PATH.

    Raises `OSError`: ELOOP when there is a symlink on the way, EXDEV when the path leads out.
    """
    descriptor: int = _libc.syscall(_OPENAT2, folder, os.fsencode(path), _HOW, len(_HOW))
    if descriptor >= 0:
        return descriptor
    number = ctypes.get_errno()
    if number in _NOT_HERE:
        return open_stepwise(folder, path)
    raise OSError(number, os.strerror(number), path)


def open_stepwise(folder: int, path: str) -> int:
    """The same with one `openat` for each component, for kernels before 5.6."""
    steps = PurePath(path).parts
    if PurePath(path).is_absolute() or os.pardir in steps:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), path)
    current = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)
    for step in steps:
        try:
            following = os.open(step, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=current)
        finally:
            os.close(current)
        current = following
        if stat.S_ISLNK(os.fstat(current).st_mode):
            os.close(current)
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
    return current
