"""One broker for a data folder."""

from __future__ import annotations

import os
from pathlib import Path

from clipping.release import IMPATIENT, Patience, StillInUse, lock_file

FILE = "broker.lock"


class FolderInUse(Exception):
    """Another broker runs on this data folder."""


class FolderLock:
    """Held until `release` or the end of the process, however that comes."""

    def __init__(self, folder: Path, patience: Patience = IMPATIENT) -> None:
        """Waits for a broker that is still exiting. Raises FolderInUse."""
        try:
            self._descriptor = lock_file(folder / FILE, f"the data folder {folder}", patience)
        except StillInUse as error:
            raise FolderInUse(
                f"another broker is running on {folder}: {error.holders}; stop it, or use another --data"
            ) from None

    def release(self) -> None:
        """Let another broker have the folder."""
        os.close(self._descriptor)
