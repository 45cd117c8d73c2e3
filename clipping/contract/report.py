"""A clip's report: what was cut, from what, and what differs from the request."""

from __future__ import annotations

from pydantic import Field

from clipping.contract.output import ModeName
from clipping.contract.wire import Model, Moment


class Range(Model):
    """Seconds of the recording, half-open."""

    start: float
    end: float


class VideoReport(Model):
    """The clip's video stream."""

    codec: str
    width: int
    height: int
    fps: float


class AudioReport(Model):
    """One audio stream of the clip."""

    codec: str
    language: str | None = None


class DroppedStream(Model):
    """A stream of the recording that is not in the clip, and why."""

    index: int
    codec: str
    reason: str


class SourceReport(Model):
    """Which state of the recording the clip was cut from."""

    size: int
    """Bytes, when it was opened."""
    modified: Moment
    growing: bool
    """Whether it was appended to while the clip was cut."""


class Report(Model):
    """Where the cut really fell, and what it took."""

    mode: ModeName
    requested: Range
    actual: Range
    keyframe_lead_seconds: float
    """How much earlier than asked the clip begins, because a copied clip must start on a keyframe."""
    frames: int
    reencoded_seconds: float
    video: VideoReport
    audio: list[AudioReport]
    dropped_streams: list[DroppedStream]
    encoder: str | None = None
    """The encoder that wrote the re-encoded frames; absent when nothing was re-encoded."""
    warnings: list[str] = Field(default_factory=list)
    source: SourceReport | None = None
    """Absent in reports of earlier versions."""
