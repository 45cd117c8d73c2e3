"""Looks into a finished clip before anybody is told of it. Exit codes prove nothing: a full disk, a signal or
an end of file all leave short files that look valid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import av.container

from agent.cutting.outcome import Outcome
from agent.cutting.source import OPEN_OPTIONS
from agent.cutting.timing import Malformed, Timing, timings_of_boxes, timings_of_packets

EDGE_SECONDS = Fraction(1)
"""How much of both ends is decoded."""
BEFORE_JOINT, AFTER_JOINT = Fraction(3, 10), Fraction(1, 2)
"""Seconds decoded around a place where frames of two encoders meet."""
WHOLE_PIXELS = 100_000_000
"""A clip of so few is decoded as a whole: 48 pictures of 1920x1080."""
SYNC_SECONDS = Fraction(20, 1000)
"""How far sound and picture may be apart from what was planned."""
SOUND_END_SECONDS = Fraction(100, 1000)
"""How far the end of a sound track may be from what was planned."""
START_SECONDS = Fraction(1, 1000)
_WITH_HIDDEN_FRAMES = frozenset({"vp8", "libvpx"})
"""In these a packet may hold a frame that is only there for others to build on."""


class Rejected(Exception):
    """The clip is not what was planned. The text says in what."""


@dataclass(frozen=True)
class Facts:
    """What was found in a good clip."""

    duration: Fraction
    """Seconds of picture."""
    width: int
    height: int
    fps: float


def verify(
    outcome: Outcome, *, whole: bool = False, progress: Callable[[float], None] = lambda _: None
) -> Facts:
    """Check the file against the plan and decode its edges, or `whole`; `progress` gets 0 to 1.

    Raises `Rejected`.
    """
    boxed = outcome.plan.container.boxed
    try:
        timings = timings_of_boxes(outcome.path) if boxed else []
        with _open(outcome.path) as clip:
            _check_streams(clip, outcome)
            video: Any = clip.streams.video[0]
            # As strict as Chromium, for which every decoding error is fatal. The deblocking filter reads no
            # bits, so that leaving it out hides no error; it is a third of the work.
            video.codec_context.options = {"err_detect": "explode", "skip_loop_filter": "all"}
            video.thread_type = "AUTO"
            size = (video.codec_context.width, video.codec_context.height)
            if outcome.size not in (None, size):
                raise Rejected(f"its picture is {size[0]}x{size[1]}")
            if not boxed:
                timings = timings_of_packets(clip)
                clip.seek(0)
            _check_picture(timings[0], outcome)
            _check_sound(timings[1:], outcome)
            duration = outcome.end - outcome.start
            whole = whole or outcome.frames * size[0] * size[1] <= WHOLE_PIXELS
            for part in [Part(Fraction(0), duration)] if whole else parts(duration, outcome.joints):
                _decode(clip, part, lambda at: progress(min(1.0, float(at / duration))))
    except Malformed as error:
        raise Rejected(str(error)) from error
    except av.error.FFmpegError as error:
        raise Rejected(f"it can't be read back: {error.strerror}") from error
    return Facts(duration, *size, fps=float(outcome.frames / duration))


def _open(path: Path) -> av.container.InputContainer:
    return av.open(f"file:{path}", options=OPEN_OPTIONS)


def _check_streams(clip: av.container.InputContainer, outcome: Outcome) -> None:
    found = [(s.type, _codec(s)) for s in clip.streams]
    planned = [("video", outcome.video_codec), *(("audio", s.codec) for s in outcome.sound)]
    if found != planned:
        raise Rejected(f"it holds {found} and should hold {planned}")


def _codec(stream: Any) -> str:
    return str(stream.codec_context.codec.canonical_name) if stream.codec_context is not None else "none"


def _check_picture(picture: Timing, outcome: Outcome) -> None:
    if len(picture.shown) != outcome.frames:
        raise Rejected(f"it has {len(picture.shown)} frames and should have {outcome.frames}")
    if not picture.ordered:
        raise Rejected("its decoding times don't grow, or lie behind its frames")
    shown = sorted(picture.shown)
    if any(a == b for a, b in pairwise(shown)):
        raise Rejected("two frames are shown at one time")
    first = shown[0] * picture.tick
    if abs(first) > START_SECONDS:
        raise Rejected(f"its first frame is shown at {float(first):.3f} s")
    last, planned = shown[-1] * picture.tick, outcome.last - outcome.start
    if abs(last - planned) > outcome.frame_seconds:
        raise Rejected(f"its last frame is shown at {float(last):.3f} s, not at {float(planned):.3f} s")


def _check_sound(found: list[Timing], outcome: Outcome) -> None:
    for index, (timing, planned) in enumerate(zip(found, outcome.sound, strict=True), start=1):
        if not timing.shown:
            raise Rejected(f"sound track {index} is empty")
        # What players skip, before 0, is no part of the clip.
        begin = max(timing.shown[0] * timing.tick, Fraction(0))
        off = begin - max(planned.start, Fraction(0))
        if abs(off) > SYNC_SECONDS:
            raise Rejected(f"sound track {index} begins {float(off) * 1000:.0f} ms off")
        end = timing.end * timing.tick
        latest = max(planned.end, outcome.end - outcome.start)
        if not planned.end - SOUND_END_SECONDS <= end <= latest + SOUND_END_SECONDS:
            raise Rejected(f"sound track {index} ends at {float(end):.3f} s, not {float(planned.end):.3f} s")


@dataclass(frozen=True)
class Part:
    """A stretch of the clip, in seconds."""

    start: Fraction
    end: Fraction


def parts(duration: Fraction, joints: Iterable[Fraction]) -> list[Part]:
    """What is decoded of a long clip: both ends and the joints, those that touch as one."""
    around = [Part(max(Fraction(0), at - BEFORE_JOINT), min(duration, at + AFTER_JOINT)) for at in joints]
    ends = [
        Part(Fraction(0), min(EDGE_SECONDS, duration)),
        Part(max(Fraction(0), duration - EDGE_SECONDS), duration),
    ]
    merged: list[Part] = []
    for part in sorted([*ends, *around], key=lambda p: p.start):
        if merged and part.start <= merged[-1].end:
            merged[-1] = Part(merged[-1].start, max(merged[-1].end, part.end))
        else:
            merged.append(part)
    return merged


def _decode(clip: av.container.InputContainer, part: Part, reached: Callable[[Fraction], None]) -> None:
    """Decode a part, from the keyframe before it, and the sound beside it; `reached` gets the second."""
    video: Any = clip.streams.video[0]
    begin = int(part.start / video.time_base)
    clip.seek(begin, stream=video, backward=True)
    fed: list[int] = []
    shown: list[Any] = []
    for packet in clip.demux():
        if packet.size == 0:
            continue  # the end: what the decoder holds back comes below
        if packet.stream_index == video.index and packet.pts is not None:
            # On the way to the part, only what others are built on is needed.
            video.codec_context.skip_frame = "NONREF" if packet.pts < begin else "DEFAULT"
        frames: list[Any] = list(packet.decode())
        if packet.stream_index == video.index:
            if packet.pts is None:
                raise Rejected("one of its frames has no time")
            fed.append(packet.pts)
            shown += [frame.pts for frame in frames]
            reached(packet.pts * packet.time_base)
            if packet.dts is not None and packet.dts * packet.time_base > part.end:
                break
    shown += [frame.pts for frame in video.codec_context.decode(None)]
    _check_decoded(fed, shown, part, begin, hidden=video.codec_context.name in _WITH_HIDDEN_FRAMES)


def _check_decoded(fed: list[int], shown: list[Any], part: Part, begin: int, *, hidden: bool) -> None:
    """Every packet must give its frame, in order. Files exist whose times are in another order than that in
    which their frames are shown, and some decoders keep the last frame of a stream to themselves."""
    if not shown or not fed:
        raise Rejected(f"no picture at {float(part.start):.1f} s of it can be decoded")
    # Pictures before the keyframe need others from before it.
    begin = max(begin, fed[0])
    expected = sorted(pts for pts in fed if pts >= begin)
    if not hidden and [pts for pts in shown if pts is None or pts >= begin] != expected:
        raise Rejected(f"its pictures at {float(part.start):.1f} s come out in another order, or not all")
