"""Verifies a finished clip before it is reported.

Exit codes prove nothing: a full disk, a signal or an end of file all leave short files that look valid.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Literal

import av
import av.container
from av.stream import Stream

from agent.cutting.formats.containers import captions_as
from agent.cutting.formats.streams import context_of
from agent.cutting.plan.extent import LATE
from agent.cutting.plan.outcome import Outcome
from agent.cutting.verify.decodes import Rejected, Undecodable, decode_parts, decode_whole, open_clip, parts
from agent.cutting.verify.timing import Malformed, Timing, timings_of_boxes, timings_of_packets

Extent = Literal["full", "ends", "ends only"]

WHOLE_PIXELS = 100_000_000
"""A clip of so few is decoded as a whole in any case: 48 frames of 1920x1080."""
SYNC_SECONDS = Fraction(20, 1000)
"""How far audio and video may be apart from what was planned."""
AUDIO_END_SECONDS = Fraction(100, 1000)
"""How far the end of an audio track may be from what was planned."""
START_SECONDS = Fraction(1, 1000)


@dataclass(frozen=True)
class Facts:
    """The facts about a verified clip."""

    duration: Fraction
    """Seconds of video."""
    width: int
    height: int
    frames: int
    fps: float


def verify(
    outcome: Outcome,
    *,
    extent: Extent = "ends",
    gaps: bool = False,
    progress: Callable[[float], None] = lambda _: None,
) -> Facts:
    """Check the file against the plan and decode some of it; `progress` gets 0 to 1.

    `extent`: a small clip is decoded as a whole, too, unless it is `ends only`. `gaps`: frames may be
    missing, as they can't be decoded. Raises `Rejected`: `Undecodable` where it is for that.
    """
    facts = _verify_structure(outcome, gaps=gaps)
    small = outcome.frames * facts.width * facts.height <= WHOLE_PIXELS
    try:
        if extent == "full" or (small and extent == "ends"):
            decode_whole(outcome.path, facts.duration, progress)
        else:
            decode_parts(outcome.path, parts(facts.duration, outcome.joints))
    except av.error.FFmpegError as error:
        raise Undecodable(f"it can't be read back: {error.strerror}") from error
    return facts


def _verify_structure(outcome: Outcome, *, gaps: bool) -> Facts:
    boxed = outcome.plan.container.boxed
    try:
        timings = timings_of_boxes(outcome.path) if boxed else []
        with open_clip(outcome.path) as clip:
            _check_streams(clip, outcome)
            video = clip.streams.video[0]
            size = (video.codec_context.width, video.codec_context.height)
            if outcome.size not in (None, size):
                raise Rejected(f"its video is {size[0]}x{size[1]}")
            if not boxed:
                timings = timings_of_packets(clip)
        _check_video(timings[0], outcome, gaps=gaps)
        _check_length(timings[0], outcome)
        subtitles = 1 + len(outcome.audio)
        _check_audio(timings[1:subtitles], outcome)
        texts = len(outcome.plan.subtitles) + bool(outcome.plan.captions)
        _check_subtitles(timings[subtitles : subtitles + texts], outcome)
    except Malformed as error:
        raise Rejected(str(error)) from error
    except av.error.FFmpegError as error:
        raise Rejected(f"it can't be read back: {error.strerror}") from error
    frames, duration = len(timings[0].shown), outcome.end - outcome.start
    return Facts(duration, *size, frames, fps=float(frames / duration))


def _check_streams(clip: av.container.InputContainer, outcome: Outcome) -> None:
    found = [(s.type, _codec(s)) for s in clip.streams]
    header = outcome.plan.header(outcome.start)
    beside = [bool(header.chapters), header.timecode is not None] if outcome.plan.container.boxed else []
    planned = [
        ("video", outcome.video_codec),
        *(("audio", s.codec) for s in outcome.audio),
        *(("subtitle", s.codec) for s in outcome.plan.subtitles),
        *[("subtitle", captions_as(outcome.plan.container))] * bool(outcome.plan.captions),
        *[("data", "none")] * sum(beside),
    ]
    if found != planned:
        raise Rejected(f"it holds {found} and should hold {planned}")
    if len(clip.chapters()) != len(header.chapters):
        raise Rejected(f"it has {len(clip.chapters())} chapters and should have {len(header.chapters)}")


def _codec(stream: Stream) -> str:
    context = context_of(stream)
    return context.codec.canonical_name if context is not None else "none"


def _check_video(video: Timing, outcome: Outcome, *, gaps: bool) -> None:
    if len(video.shown) != outcome.frames and not (gaps and 0 < len(video.shown) < outcome.frames):
        raise Rejected(f"it has {len(video.shown)} frames and should have {outcome.frames}")
    if not video.ordered:
        raise Rejected("its decoding times don't grow, or lie behind its frames")
    shown = sorted(video.shown)
    if any(a == b for a, b in pairwise(shown)):
        raise Rejected("two frames are shown at one time")
    first = shown[0] * video.tick
    if abs(first) > START_SECONDS and not (gaps and first > 0):
        raise Rejected(f"its first frame is shown at {float(first):.3f} s")
    last, planned = shown[-1] * video.tick, outcome.last - outcome.start
    if abs(last - planned) > outcome.usual_seconds and not (gaps and last < planned):
        raise Rejected(f"its last frame is shown at {float(last):.3f} s, not at {float(planned):.3f} s")


def _check_length(video: Timing, outcome: Outcome) -> None:
    """The clip ends where it was planned to, and never later than requested."""
    planned, requested = outcome.end - outcome.start, outcome.requested
    latest = requested + outcome.usual_seconds + (LATE if outcome.plan.mode == "copy" else 0)
    if planned > latest:
        raise Rejected(f"it is {float(planned):.3f} s long, and {float(requested):.3f} s were requested")
    if video.length is None:
        return
    # A file that has one length for all tracks has that of the longest.
    audio = 0 if outcome.plan.container.boxed else max((s.end for s in outcome.audio), default=0)
    tolerance = outcome.usual_seconds + START_SECONDS
    if not planned - tolerance <= video.length <= max(planned, audio) + tolerance:
        raise Rejected(f"it is {float(video.length):.3f} s long, not {float(planned):.3f} s")


def _check_audio(found: list[Timing], outcome: Outcome) -> None:
    for index, (timing, planned) in enumerate(zip(found, outcome.audio, strict=True), start=1):
        if not timing.shown:
            raise Rejected(f"audio track {index} is empty")
        # What players skip, before 0, is no part of the clip.
        begin = max(timing.shown[0] * timing.tick, Fraction(0))
        off = begin - max(planned.start, Fraction(0))
        if abs(off) > SYNC_SECONDS:
            raise Rejected(f"audio track {index} begins {float(off) * 1000:.0f} ms off")
        end = timing.end * timing.tick
        latest = max(planned.end, outcome.end - outcome.start)
        if not planned.end - AUDIO_END_SECONDS <= end <= min(latest, outcome.requested) + AUDIO_END_SECONDS:
            raise Rejected(f"audio track {index} ends at {float(end):.3f} s, not {float(planned.end):.3f} s")


def _check_subtitles(found: list[Timing], outcome: Outcome) -> None:
    for index, timing in enumerate(found, start=1):
        if not timing.shown:
            raise Rejected(f"subtitle track {index} is empty")
        latest = outcome.requested + START_SECONDS
        if min(timing.shown) < 0 or timing.shown[-1] * timing.tick > latest:
            raise Rejected(f"subtitle track {index} is shown before or behind the video")
