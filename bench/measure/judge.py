"""What is to be said about a clip, from what was seen and heard in it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any, Literal

SYNC_MS = 20.0
_MISSING_MS = 120.0
"""Sound may begin and end a packet off; with this much missing, one hears it."""
_OVER_MS = 250.0
UNEVEN_MS = 1.5
"""A container's ticks may be as coarse as a millisecond."""

Verdict = Literal["exact", "as reported", "refused", "wrong", "no clip"]
"""`wrong`: ours, given out as a good clip, and it is not what its report says; or a rival's that is off."""


@dataclass(frozen=True)
class Seen:
    """A clip as it was found."""

    asked: int
    """Pictures that the request asked for."""
    promised: int
    """Pictures that the report, or for a rival the request, promises."""
    shown: int
    first: int | None
    """Pictures by which the first one shown is later (+) or earlier (-) than the first asked for."""
    last: int | None
    skipped: int
    doubled: int
    backward: int
    unreadable: int
    """Pictures of the clip that are none of the recording's: damaged, or out of their time."""
    misplaced: bool
    """The pictures are not those that were promised."""
    uneven_ms: float
    av_ms: float | None
    """The worst of all tracks: sound later (+) or earlier (-) than its picture."""
    missing_ms: float
    over_ms: float
    tracks: int
    source_tracks: int
    errors: int
    """Of a decoder as strict as Chromium's, less those that the recording itself has there."""
    index_in_front: bool | None
    """None in containers without an index."""
    hidden: int
    """Pictures in the file that an edit list hides from players that honour it, and from no other."""
    sure: bool
    """False where the recording stands so still that another cut would look the same."""
    leeway: int
    """Pictures by which players differ about this recording: 0 but for scrambled times."""

    @property
    def exact(self) -> bool:
        """The pictures asked for, from the first to the last."""
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
    """How our engine made it in the end."""
    seen: Seen | None = None
    notes: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For another process."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Row:
        """What `as_json` gave."""
        seen = data.pop("seen")
        return cls(**data, seen=None if seen is None else Seen(**seen))


def order_faults(shown: Sequence[int | None]) -> tuple[int, int, int]:
    """Skipped, doubled and backward pictures in a row of them."""
    known = [s for s in shown if s is not None]
    steps = [b - a for a, b in pairwise(known)]
    lost = shown.count(None)
    skipped = sum(s - 1 for s in steps if s > 1)
    # A picture that can't be told leaves a gap in the row which is counted already, as unreadable.
    return max(0, skipped - lost), sum(s == 0 for s in steps), sum(s < 0 for s in steps)


def faults(seen: Seen, *, dropped_tracks: int = 0, sync_ms: float = SYNC_MS) -> list[str]:
    """Everything that is not as it was promised; empty for a good clip."""
    found = {
        f"{seen.shown} frames for {seen.promised}": seen.shown != seen.promised,
        f"from {seen.first} to {seen.last} of those asked for, which was not promised": seen.misplaced,
        f"{seen.skipped} skipped": seen.skipped,
        f"{seen.doubled} doubled": seen.doubled,
        f"{seen.backward} backward": seen.backward,
        f"{seen.unreadable} damaged or misplaced frames": seen.unreadable,
        f"frame times {seen.uneven_ms:.0f} ms uneven": seen.uneven_ms > UNEVEN_MS,
        f"sound {seen.av_ms or 0:+.0f} ms": abs(seen.av_ms or 0) > sync_ms,
        f"{seen.missing_ms:.0f} ms of sound missing": seen.missing_ms > _MISSING_MS,
        f"sound {seen.over_ms:.0f} ms longer": seen.over_ms > _OVER_MS,
        f"{seen.tracks} of {seen.source_tracks} sound tracks": seen.tracks + dropped_tracks
        < seen.source_tracks,
        f"{seen.errors} decoding errors": seen.errors,
    }
    return [text for text, there in found.items() if there]
