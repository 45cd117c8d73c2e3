"""A mount that hangs, like NFS without its server."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)
_DETACH = 2


class HungMount:
    """A file system mounted on `folder` that never responds: every access blocks, as on NFS without a server.

    Its requests are never read from /dev/fuse. Raises `OSError` where it can't be mounted.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder).encode()
        self._device: int | None = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        options = f"fd={self._device},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
        if _LIBC.mount(b"hung", self._folder, b"fuse", 0, options) != 0:
            number = ctypes.get_errno()
            os.close(self._device)
            raise OSError(number, os.strerror(number))
        self._mounted = True

    def fail(self) -> None:
        """Fail all pending and future accesses, as with a stale handle."""
        if self._device is not None:
            os.close(self._device)
            self._device = None

    def close(self) -> None:
        """Unmount it."""
        self.fail()
        if self._mounted:
            self._mounted = False
            _LIBC.umount2(self._folder, _DETACH)
