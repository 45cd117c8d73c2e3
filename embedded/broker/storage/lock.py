"""Locks a data folder for one broker."""

from __future__ import annotations

import os
from pathlib import Path

from clipping.release import IMPATIENT, Patience, StillInUse, lock_file

FILE = "broker.lock"


class FolderInUse(Exception):
    """Another broker is running on this data folder."""


class FolderLock:
    """The lock, held until `release` or until the process exits or is killed."""

    def __init__(self, folder: Path, patience: Patience = IMPATIENT) -> None:
        """Wait for a broker that is still exiting. Raises FolderInUse."""
        try:
            self._descriptor = lock_file(folder / FILE, f"the data folder {folder}", patience)
        except StillInUse as error:
            raise FolderInUse(
                f"another broker is running on {folder}: {error.processes}; stop it, or use another --data"
            ) from None

    def release(self) -> None:
        """Release the folder for another broker."""
        os.close(self._descriptor)
