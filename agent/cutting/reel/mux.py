"""The last step of a reel: audio and chapters are added to its video, and the file is verified."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import ffmpeg as ffmpeg_python

from agent.cutting.encode import ffmpeg
from agent.cutting.encode.arguments import (
    boxed_options,
    joined_from_zero,
    joined_video,
    with_chapters,
)
from agent.cutting.encode.encoder_options import compiled
from agent.cutting.encode.pipeline import run_fed
from agent.cutting.encode.rate_control import AUDIO_BITS
from agent.cutting.encode.sidecars import write_chapters
from agent.cutting.formats.header import Header, chapters_within
from agent.cutting.formats.media import Chapter
from agent.cutting.plan.outcome import AudioTrack, Outcome
from agent.cutting.plan.plan import Plan
from agent.cutting.process.limits import own_memory_limit
from agent.cutting.process.progress import ProgressSender
from agent.cutting.reading.source import url
from agent.cutting.reel.audio import CHANNELS, RATE, mixed, placed
from agent.cutting.reel.layout import Span
from agent.cutting.reel.orders import Assembled, Reel
from agent.cutting.verify.verify_and_hash import check

_MUXED = 85.0
"""Percent of the progress at which the file is complete."""
_AUDIO_BYTES_A_SECOND = 1 << 16
_LEAST_BYTES = 1 << 20


def finish(
    reel: Reel,
    joined: Path,
    frames: int,
    joints: tuple[Fraction, ...],
    audio: Sequence[tuple[Path | None, Span]],
    ramp: Fraction,
    notify: ProgressSender,
    *,
    begun: float,
) -> Assembled:
    """Write and verify the file. `joined`: its video; `joints`: where its pieces meet, in seconds; `audio`:
    of each part; `begun`: the progress so far, in percent. Raises `Rejected`, and as `run_fed`."""
    target = reel.folder / f"{reel.stem}.part"
    audible = any(path is not None for path, _ in audio)
    chapters = chapters_within(reel.chapters, Fraction(0), reel.length)
    listed = joined.with_name("chapters")
    if chapters:
        write_chapters(Header(chapters=chapters), listed)
    tracks = placed([path for path, _ in audio], [span for _, span in audio], ramp)
    size = joined.stat().st_size + int(reel.length + 1) * _AUDIO_BYTES_A_SECOND + _LEAST_BYTES
    run_fed(
        _command(reel, joined, target, listed if chapters else None, audio=audible),
        mixed(tracks) if audible else (),
        seconds=float(reel.length),
        limits=ffmpeg.Limits(2 * size, own_memory_limit()),
        progress=lambda share: notify("cutting", begun + share * (_MUXED - begun)),
        started=notify.helper,
    )
    outcome = _outcome(reel, target, frames, joints, chapters, audio=audible)
    notify("verifying", _MUXED)
    facts, digest = check(
        outcome,
        whole=reel.verify == "full",
        gaps=False,
        tolerates=lambda: False,
        progress=lambda share: notify("verifying", _MUXED + share * (100 - _MUXED)),
    )
    path = reel.folder / f"{reel.stem}.{reel.container.extension}"
    target.rename(path)
    return Assembled(
        path, digest, facts.duration, facts.width, facts.height, facts.frames, facts.fps, audio=audible
    )


def _command(reel: Reel, joined: Path, target: Path, chapters: Path | None, *, audio: bool) -> list[str]:
    streams = [joined_video(joined)]
    options: dict[str, Any] = {
        "c:v": "copy",
        "bsf:v": joined_from_zero(),
        "map_metadata:g": -1,
        "map_metadata:s": -1,
        "map_chapters": -1 if chapters is None else 1 + int(audio),
        "f": reel.container.muxer,
    }
    if audio:
        raw = {"f": "s16le", "ar": RATE, "ac": CHANNELS}
        streams.append(ffmpeg_python.input("pipe:0", **raw)["a:0"])
        options |= {"c:a": "aac", "b:a": AUDIO_BITS[reel.quality]}
    if reel.container.boxed:
        options |= boxed_options(chapters=chapters is not None)
        if reel.video.codec == "hevc":
            options["tag:v"] = "hvc1"  # the name that Apple's players want
    else:
        options["avoid_negative_ts"] = "disabled"  # see `encode.arguments`
    command = compiled(reel.ffmpeg, ffmpeg_python.output(*streams, url(target), **options))
    return command if chapters is None else with_chapters(command, chapters)


def _outcome(
    reel: Reel,
    path: Path,
    frames: int,
    joints: tuple[Fraction, ...],
    chapters: tuple[Chapter, ...],
    *,
    audio: bool,
) -> Outcome:
    """What the file must hold."""
    plan = Plan(
        mode=reel.mode,
        start=Fraction(0),
        stop=reel.length,
        container=reel.container,
        video_stream=reel.video,
        tracks=(),
        dropped=(),
        chapters=chapters,
    )
    return Outcome(
        plan=plan,
        path=path,
        start=Fraction(0),
        last=reel.length - reel.usual,
        end=reel.length,
        frames=frames,
        frame_seconds=reel.usual,
        usual_seconds=reel.usual,
        reencoded=reel.reencoded,
        audio=(AudioTrack("aac", None, Fraction(0), reel.length),) if audio else (),
        joints=joints,
        size=reel.size,
        encoder=reel.encoder,
    )
