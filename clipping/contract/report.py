"""A clip's report: the actual cut, its source, and differences from the request."""

from __future__ import annotations

from pydantic import Field

from clipping.contract.choices import Interpolation, Mode
from clipping.contract.wire import Model, Moment


class Range(Model):
    """A half-open interval of the recording, in seconds."""

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
    """The state of the recording when the clip was cut."""

    size: int
    """Bytes, when it was opened."""
    modified: Moment
    etag: str | None = None
    """Of a recording in a bucket: its ETag there, in Cloud Storage its generation."""
    growing: bool
    """Whether the file was growing while the clip was cut."""


class WindowReport(Model):
    """Where the crop window is at one time."""

    time: float
    """Seconds of the clip, before any change of speed."""
    x: float
    y: float
    width: float
    height: float


class FramingReport(Model):
    """How `smart_crop` framed the clip, in the form of `effects.framing`: it can be sent back, corrected."""

    keyframes: list[WindowReport]
    interpolation: Interpolation
    target_width: int
    target_height: int


class PartReport(Model):
    """One part of a reel: where it is in the reel, and what was cut for it."""

    index: int
    """In `clips`, from 0."""
    start_seconds: float
    """Where it begins in the reel; a dissolve belongs to both parts."""
    end_seconds: float
    mode: Mode
    """How its frames were made, apart from those of its transitions."""
    requested: Range
    actual: Range
    """Of the recording."""
    frames: int
    reencoded_seconds: float
    dropped_streams: list[DroppedStream] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)
    source: SourceReport | None = None
    framing: FramingReport | None = None
    """As that of a clip; its times are those of the part."""


class Report(Model):
    """The actual cut, its streams and its cost."""

    mode: Mode
    requested: Range
    actual: Range
    keyframe_lead_seconds: float
    """How much earlier than requested the clip starts, as a copied clip must start at a keyframe."""
    frames: int
    reencoded_seconds: float
    video: VideoReport
    audio: list[AudioReport]
    dropped_streams: list[DroppedStream]
    encoder: str | None = None
    """The encoder that wrote the re-encoded frames; absent when nothing was re-encoded."""
    gpu: int | None = None
    """The number of the GPU that the encoder ran on, as in `cutting.gpus`; absent when it was the CPU."""
    warnings: list[str] = Field(default_factory=list)
    source: SourceReport | None = None
    """Absent in reports of earlier versions, and of a reel, whose parts have their own."""
    parts: list[PartReport] | None = None
    """Of a reel, in their order. Its `requested` and `actual` are those of the reel's own time."""
    framing: FramingReport | None = None
    """Where the window of a `smart_crop` is; absent with every other `fit`."""
