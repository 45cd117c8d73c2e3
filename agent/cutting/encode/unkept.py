"""The segments of an encode that nothing is kept of: as `KeptSegments`, for one attempt only."""

from __future__ import annotations

import os
from pathlib import Path


class UnkeptSegments:
    """Beside the clip's file, and removed by the caller with `discard`."""

    outgrown: int | None = None
    encoder: str | None = None

    def __init__(self, target: Path) -> None:
        """`target`: the clip's file, which names these."""
        self._target = target
        self._made = 0
        self.reported_errors = False

    def begin(self, recipe: str, encoder: str, *, total: int, segments: int, outgrown: int | None) -> int:
        """None is finished."""
        self.discard()
        return 0

    def add(self, made: Path, frame: int, *, reported_errors: bool) -> None:
        """Take the next segment, which is moved."""
        os.replace(made, self.path(self._made))
        self._made += 1
        self.reported_errors = self.reported_errors or reported_errors

    def path(self, number: int) -> Path:
        """The file of a segment."""
        return self._target.with_suffix(f".segment-{number}")

    def discard(self) -> None:
        """Remove them."""
        for number in range(self._made):
            self.path(number).unlink(missing_ok=True)
        self._made = 0
        self.reported_errors = False
