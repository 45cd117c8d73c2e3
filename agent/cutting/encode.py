"""The full encode: every frame made anew, exact to the frame, playable everywhere."""

from __future__ import annotations

import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av.container

from agent.cutting import ffmpeg
from agent.cutting.frames import Frames, frames_in
from agent.cutting.media import MediaInfo, StreamInfo
from agent.cutting.outcome import Outcome, Sound
from agent.cutting.plan import Plan, without_silent
from agent.cutting.recipe import encode_arguments
from clipping.messages import Quality

_NICENESS = 5
"""Encodes give way to copies, which somebody waits for."""


def encode(
    container: av.container.InputContainer,
    info: MediaInfo,
    plan: Plan,
    target: Path,
    quality: Quality,
    program: Path,
    *,
    from_start: bool,
    progress: Callable[[float], None],
    started: Callable[[int | None], None],
) -> Outcome:
    """Write the clip of the opened recording to `target`.

    `progress` gets 0 to 1, `started` ffmpeg's process id, and None when it has ended.
    Raises `RangeBeyondEnd` when the picture is over by then, and the errors of `ffmpeg.run` and of `source`.
    """
    frames = frames_in(container, plan)
    plan = without_silent(plan, {t.source.index for t in plan.tracks} - set(frames.sounding))
    hdr = plan.movie.video is not None and plan.movie.video.hdr
    tone_map = hdr and "zscale" in ffmpeg.filters(program)
    command = encode_arguments(
        program, info, plan, frames, target, quality, tone_map=tone_map, from_start=from_start
    )
    os.setpriority(os.PRIO_PROCESS, 0, max(_NICENESS, os.getpriority(os.PRIO_PROCESS, 0)))
    length = frames.end - frames.start
    ffmpeg.run(command, seconds=float(length), progress=progress, started=started)
    warnings = (
        () if tone_map or not hdr else ("This ffmpeg has no zscale: HDR colours were not tone mapped.",)
    )
    return Outcome(
        plan=plan,
        path=target,
        start=frames.start,
        last=frames.last,
        end=frames.end,
        frames=frames.count,
        frame_seconds=frames.longest,
        reencoded=length,
        sound=tuple(_sound(track.source, frames) for track in plan.tracks),
        encoder="libx264",
        warnings=warnings,
    )


def _sound(source: StreamInfo, frames: Frames) -> Sound:
    end = min(frames.sounding[source.index], frames.end) - frames.start
    return Sound("aac", source.language, Fraction(0), end)
