"""Judges a clip from its measurements. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any, Literal

SYNC_MS = 20.0
_MISSING_MS = 120.0
"""Audio may begin and end one packet off; a longer gap is audible."""
_OVER_MS = 250.0
UNEVEN_MS = 1.5
"""A container's time base can be as coarse as a millisecond."""

Verdict = Literal["exact", "as reported", "refused", "wrong", "no clip"]
"""`wrong`: the engine completed a clip that does not match its report, or a rival's clip has a fault."""


@dataclass(frozen=True)
class Seen:
    """The measurements of a clip."""

    requested: int
    """Number of frames in the requested range."""
    promised: int
    """Number of frames according to the report, or for a rival according to the request."""
    shown: int
    first: int | None
    """Frames by which the clip begins later (+) or earlier (-) than requested."""
    last: int | None
    skipped: int
    doubled: int
    backward: int
    unreadable: int
    """Number of frames that match none of the recording's: damaged, or at the wrong time."""
    misplaced: bool
    """The first or the last frame is not the promised one."""
    uneven_ms: float
    av_ms: float | None
    """The largest offset of all streams: audio later (+) or earlier (-) than the video."""
    missing_ms: float
    over_ms: float
    tracks: int
    source_tracks: int
    errors: int
    """Errors of a decoder as strict as Chromium's, minus those of the recording in the same range."""
    index_in_front: bool | None
    """None for containers without an index."""
    hidden: int
    """Number of frames in the file that an edit list hides; players that ignore it show them."""
    sure: bool
    """False where the recording is so static that another cut would look the same."""
    leeway: int
    """Frames by which players differ for this recording: 0 unless its times are unordered."""

    @property
    def exact(self) -> bool:
        """Whether the clip begins and ends with the requested frames."""
        return (
            self.first is not None
            and self.last is not None
            and max(abs(self.first), abs(self.last)) <= self.leeway
        )


@dataclass(frozen=True)
class Row:
    """One method on one cut of one recording."""

    source: str
    made: bool
    cut: str
    begin: float
    end: float
    method: str
    verdict: Verdict
    why: str
    mode: str = ""
    """The mode that the engine used."""
    seen: Seen | None = None
    notes: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The row as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Row:
        """The inverse of `as_json`."""
        seen = data.pop("seen")
        return cls(**data, seen=None if seen is None else Seen(**seen))


def order_faults(shown: Sequence[int | None]) -> tuple[int, int, int]:
    """The number of skipped, doubled and backward frames in a sequence."""
    known = [s for s in shown if s is not None]
    steps = [b - a for a, b in pairwise(known)]
    lost = shown.count(None)
    skipped = sum(s - 1 for s in steps if s > 1)
    # An unmatched frame leaves a gap that is already counted as unreadable.
    return max(0, skipped - lost), sum(s == 0 for s in steps), sum(s < 0 for s in steps)


def faults(seen: Seen, *, dropped_tracks: int = 0, sync_ms: float = SYNC_MS) -> list[str]:
    """The clip's deviations from its promise; empty for a good clip."""
    found = {
        f"{seen.shown} frames for {seen.promised}": seen.shown != seen.promised,
        f"begins {seen.first or 0:+d} and ends {seen.last or 0:+d} frames off": seen.misplaced,
        f"{seen.skipped} skipped": seen.skipped,
        f"{seen.doubled} doubled": seen.doubled,
        f"{seen.backward} backward": seen.backward,
        f"{seen.unreadable} damaged or misplaced frames": seen.unreadable,
        f"frame times {seen.uneven_ms:.0f} ms uneven": seen.uneven_ms > UNEVEN_MS,
        f"audio {seen.av_ms or 0:+.0f} ms": abs(seen.av_ms or 0) > sync_ms,
        f"{seen.missing_ms:.0f} ms of audio missing": seen.missing_ms > _MISSING_MS,
        f"audio {seen.over_ms:.0f} ms longer": seen.over_ms > _OVER_MS,
        f"{seen.tracks} of {seen.source_tracks} audio streams": seen.tracks + dropped_tracks
        < seen.source_tracks,
        f"{seen.errors} decoding errors": seen.errors,
    }
    return [text for text, there in found.items() if there]
