"""The frames of a clip, where they are not the recording's. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from math import floor

from agent.cutting.plan.plan import Plan
from agent.cutting.plan.spec import CutSpec
from agent.cutting.plan.speed import Speed, speed_of
from agent.cutting.reading.frames import Frames

_FASTEST = 120


@dataclass(frozen=True)
class ClipFrames:
    """How many frames a clip has, and when they are shown."""

    rate: Fraction | None
    """Frames a second; None: each frame keeps its time."""
    count: int
    seconds: Fraction
    """The clip's length."""
    requested: Fraction
    """The same, without what frames are shown for after the out-point."""
    speed: Speed | None

    @classmethod
    def of(cls, plan: Plan, frames: Frames, spec: CutSpec) -> ClipFrames:
        """Those of a clip of `frames`."""
        frames = ending_in_time(plan, frames, spec)
        length, rate = frames.end - frames.start, spec.output.rate
        requested = min(length, plan.stop - frames.start)
        # Slow motion would multiply what the last frame is shown for after the out-point.
        speed = speed_of(spec.effects.segments, requested)
        if speed is not None:
            length = requested = speed.length
            rate = rate or _own_rate(plan, frames)
        if rate is None:
            return cls(None, frames.count, length, requested, None)
        count = frames_of_rate(length, rate)
        return cls(rate, count, count / rate, min(count / rate, requested), speed)


def ending_in_time(plan: Plan, frames: Frames, spec: CutSpec) -> Frames:
    """The frames, of which the last is shown less long where the clip would, at another rate, be longer than
    requested by more than one of its own frames."""
    rate = spec.output.rate
    if rate is None or spec.effects.segments:
        return frames
    most = floor((plan.stop - frames.start) * rate) + 1
    return replace(frames, end=min(frames.end, frames.start + most / rate))


def frames_of_rate(length: Fraction, rate: Fraction) -> int:
    """How many frames of this rate fill `length` seconds."""
    return max(1, round(length * rate))


def _own_rate(plan: Plan, frames: Frames) -> Fraction:
    video = plan.video_stream.video
    return min(Fraction(_FASTEST), (video and video.rate) or 1 / frames.usual)
