"""The result of a cut before the file is verified."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from agent.cutting.plan.encoders import CODECS
from agent.cutting.plan.plan import Plan
from agent.cutting.plan.speed import Speed
from clipping.contract.effects import Framing


class Writing(Protocol):
    """A file that another thread writes."""

    def result(self) -> str:
        """Its SHA-256, hexadecimal, once it is complete. Raises the error of the write."""

    def when_complete(self, call: Callable[[], None]) -> None:
        """Call this once it is complete: now, or in the thread that writes it. Not if that fails."""


class Unsuited(Exception):
    """This way can't make this clip; a safer one can. The text completes "… because"."""


@dataclass(frozen=True)
class AudioTrack:
    """An audio track that was written."""

    codec: str
    language: str | None
    start: Fraction
    """Seconds of the clip at which it begins; negative where an edit list has players skip to 0."""
    end: Fraction
    """Seconds of the clip at which it ends."""


@dataclass(frozen=True)
class Outcome:
    """A file that was written, not yet verified. Times in seconds on the recording's own time line; where the
    speed changes, they go on from the start as the clip's do."""

    plan: Plan
    path: Path
    start: Fraction
    """Of the first frame."""
    last: Fraction
    """Of the last frame."""
    end: Fraction
    """Where the last frame ends."""
    frames: int
    frame_seconds: Fraction
    """The longest time between two frames."""
    usual_seconds: Fraction
    """The usual duration of a frame: the tolerance of lengths."""
    reencoded: Fraction
    """Seconds of video that were re-encoded."""
    audio: tuple[AudioTrack, ...]
    reencoded_frames: int = 0
    joints: tuple[Fraction, ...] = ()
    """Seconds of the clip at which frames of another encoder, or of another segment, begin."""
    size: tuple[int, int] | None = None
    """Width and height that the video must have; None where they follow from the recording's."""
    speed: Speed | None = None
    """Where the clip's speed differs from the recording's."""
    encoder: str | None = None
    """That of the re-encoded frames; None when there are none."""
    gpu: int | None = None
    """The number of the GPU that it ran on; None: on the CPU."""
    framing: Framing | None = None
    """What `smart_crop` found; None with any other shape."""
    warnings: tuple[str, ...] = field(default=())
    writing: Writing | None = None
    """The write in progress, which returns the hash; None when the file is complete."""

    @property
    def requested(self) -> Fraction:
        """The length that was requested, in seconds of the clip."""
        length = self.plan.stop - self.start
        return length if self.speed is None else self.speed.at(length)

    @property
    def recording_end(self) -> Fraction:
        """Where the recording's part of which the clip is made ends."""
        return self.end if self.speed is None else self.start + self.speed.stretches[-1].end

    @property
    def video_codec(self) -> str:
        """The codec that the clip's video must have."""
        if self.plan.mode == "encode" and self.encoder is not None:
            return CODECS[self.encoder]
        return self.plan.video_stream.codec
