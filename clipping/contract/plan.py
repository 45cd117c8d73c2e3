"""The plan of a clip: what a request would result in. `openapi.yaml` has the same schema.

Times are seconds of the recording, as a player shows them.
"""

from __future__ import annotations

from pydantic import ConfigDict, Field

from clipping.contract.choices import Mode
from clipping.contract.report import DroppedStream
from clipping.contract.results import Result
from clipping.timecode import format_seconds


class ClipPlan(Result):
    """The expected result of a request."""

    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True, validate_by_alias=True)

    in_: float = Field(alias="in")
    """Where the clip will begin: `actual.start` of its report."""
    out: float
    """Where it will end: `actual.end` of its report."""
    keyframe_lead_seconds: float
    """How much earlier than requested it begins, as a copied clip must begin at a keyframe."""
    mode: Mode
    """How it will be made; not as requested where that is impossible."""
    reasons: list[str] = Field(default_factory=list)
    """Why it can't be made as requested; empty where it can."""
    frames: int
    frames_reencoded: int
    duration_seconds: float
    estimated_bytes: int
    """The size of the file. Of a copy exact as a rule, of a smart cut within a few percent, of an encode a
    rough estimate."""
    estimated_seconds: float
    """How long the cut takes, without waiting, upload and download."""
    encoder: str | None = None
    """The encoder of the re-encoded frames; absent when none is."""
    dropped_streams: list[DroppedStream] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)
    """Those of the report that are known before the cut."""

    def text(self) -> str:
        """For a terminal."""
        again = f", {self.frames_reencoded} of them re-encoded by {self.encoder}" if self.encoder else ""
        lead = self.keyframe_lead_seconds
        early = f" ({lead:.3f} s before the in-point, at a keyframe)" if lead else ""
        return "\n".join(
            [
                f"{self.mode}: {self.duration_seconds:.3f} s, {self.frames} frames{again}",
                f"from {format_seconds(self.in_)}{early} to {format_seconds(self.out)}",
                f"about {self.estimated_bytes / 1e6:.1f} MB, made in about {self.estimated_seconds:.1f} s",
                *(f"not as requested: {reason}" for reason in self.reasons),
                *(f"dropped: stream {s.index} ({s.codec}): {s.reason}" for s in self.dropped_streams),
                *(f"note: {warning}" for warning in self.warnings),
            ]
        )
