"""What the job takes and returns. Plain, frozen data that needs no library."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agent.cutting.formats.media import Identity


@dataclass(frozen=True)
class Posters:
    """The files, JPEG."""

    poster: Path
    sheet: Path


@dataclass(frozen=True)
class PosterOrder:
    """What to make, and where."""

    name: Path
    """Of the clip's file, for messages."""
    identity: Identity
    folder: Path
    max_pixels: int
    """The largest frame that is decoded."""
    encoded: bool
    """Whether all frames were encoded for the clip."""
