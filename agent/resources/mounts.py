"""Remembers which roots were mount points: one that no longer is has lost its NAS, marker or not."""

from __future__ import annotations

import os

from clipping.errors import SourceUnavailable


class MountMemory:
    """What this process has seen of its roots. Safe to use from many threads."""

    def __init__(self) -> None:
        self._mounted: set[str] = set()

    def look(self, root: str) -> None:
        """Compare the folder's device with its parent's. Raises `SourceUnavailable`, and `OSError`."""
        if os.stat(root).st_dev != os.stat(os.path.join(os.path.realpath(root), os.pardir)).st_dev:
            self._mounted.add(root)
        elif root in self._mounted:
            raise SourceUnavailable(f"{root} is no longer a mount point: is the NAS mounted?")
