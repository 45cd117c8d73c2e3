"""One broker for a data folder."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import IO

FILE = "broker.lock"


class FolderInUse(Exception):
    """Another broker runs on this data folder."""


class FolderLock:
    """Held until `release` or the end of the process, however that comes."""

    def __init__(self, folder: Path) -> None:
        """Raises FolderInUse."""
        self._file: IO[str] = open(folder / FILE, "w")  # noqa: SIM115 - open as long as the lock is held
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise FolderInUse(f"another broker is running on {folder}") from None

    def release(self) -> None:
        """Let another broker have the folder."""
        self._file.close()
