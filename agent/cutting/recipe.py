"""ffmpeg's arguments for an encode that is exact to the frame. Pure: compiled here, run elsewhere.

Why they are so: plain `-ss` loses the first frames of MPEG-TS, the default frame rate mode doubles the first
frame and ruins variable rates, the default encoder timebase drops frames, a float in `setpts` rounds two
frames together. So reading starts before the range and frames are trimmed by their own times, a quarter frame
before them.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import floor
from pathlib import Path
from typing import Any

import ffmpeg

from agent.cutting.frames import Frames
from agent.cutting.media import MediaInfo, VideoInfo
from agent.cutting.plan import Plan
from agent.cutting.source import DEMUXERS, url
from clipping.messages import Quality

CRF: dict[Quality, int] = {"high": 18, "medium": 23}
SOUND_BIT_RATE: dict[Quality, str] = {"high": "192k", "medium": "128k"}
_MARGIN = Fraction(15)
"""Seconds before the range to read from where no keyframe is known."""
_IMPRECISE = frozenset({"mpegts", "mpeg"})
_IMPRECISE_SECONDS = Fraction(2)
"""Seeking in these lands behind the keyframe asked for."""
_BT709, _UNSPECIFIED, _RGB = 1, 2, 0
_HD_LINES = 720
_TONE_MAP = (
    ("zscale", {"t": "linear", "npl": 100}),
    ("format", {"pix_fmts": "gbrpf32le"}),
    ("zscale", {"p": "bt709"}),
    ("tonemap", {"tonemap": "hable"}),
    ("zscale", {"t": "bt709", "m": "bt709", "r": "tv"}),
)


def encode_arguments(
    program: Path,
    info: MediaInfo,
    plan: Plan,
    frames: Frames,
    target: Path,
    quality: Quality,
    *,
    tone_map: bool,
    from_start: bool,
) -> list[str]:
    """The whole command line.

    `tone_map`: this ffmpeg has `zscale`. `from_start`: decode the recording from its beginning, for streams
    that can't be entered in their middle.
    """
    assert plan.movie.video is not None
    source = ffmpeg.input(url(info.path), **_input_options(info, frames, from_start=from_start))
    picture = _picture(source["V:0"], plan.movie.video, frames, tone_map=tone_map)
    sound = [_sound(source[f"a:{track.position}"], frames) for track in plan.tracks]
    time_base = plan.movie.time_base
    options: dict[str, Any] = {
        "c:v": "libx264",
        "preset": "veryfast",
        "crf": CRF[quality],
        "profile:v": "high",
        "fps_mode": "passthrough",
        # The recording's own, named: "-1" meant it until ffmpeg 6 and is an error in 9.
        "enc_time_base": f"{time_base.numerator}:{time_base.denominator}",
        "color_primaries": "bt709",
        "color_trc": "bt709",
        "colorspace": "bt709",
        "color_range": "tv",
        # No "t": ffmpeg 5.1 then ends the sound as soon as the picture is complete.
        "map_chapters": -1,
        "map_metadata": -1,
        "movflags": "+faststart",
        "f": "mp4",
    }
    if sound:
        options |= {"c:a": "aac", "b:a": SOUND_BIT_RATE[quality]}
    options |= _descriptions(plan)
    output = ffmpeg.output(picture, *sound, url(target), **options)
    output = output.global_args("-nostdin", "-v", "error", "-progress", "pipe:1", "-stats_period", "0.5")
    command: list[str] = ffmpeg.compile(output, cmd=str(program), overwrite_output=True)
    return command


def _input_options(info: MediaInfo, frames: Frames, *, from_start: bool) -> dict[str, Any]:
    options: dict[str, Any] = {
        "f": info.demuxer,
        "protocol_whitelist": "file,pipe",
        "format_whitelist": DEMUXERS,
        "copyts": None,
    }
    if from_start:
        return options
    entry = frames.start - _MARGIN if frames.entry is None else frames.entry
    if info.demuxer in _IMPRECISE:
        entry -= _IMPRECISE_SECONDS
    # A microsecond later is still before the next frame, and never before the keyframe itself.
    microseconds = floor(entry * 1_000_000) + 1
    return options | {
        "seek_timestamp": 1,
        "noaccurate_seek": None,
        "ss": _seconds(Fraction(microseconds, 1_000_000)),
    }


def _picture(stream: Any, video: VideoInfo, frames: Frames, *, tone_map: bool) -> Any:
    quarter = frames.shortest / 4
    stream = stream.filter("trim", start=_seconds(frames.start - quarter), end=_seconds(frames.end - quarter))
    stream = stream.filter("setpts", "PTS-STARTPTS")
    if video.interlaced:
        stream = stream.filter("bwdif", mode="send_frame")
    if video.hdr and tone_map:
        for name, options in _TONE_MAP:
            stream = stream.filter(name, **options)
    stream = stream.filter("scale", **_scale(video, converted=video.hdr and tone_map))
    return stream.filter("setsar", 1).filter("format", "yuv420p")


def _scale(video: VideoInfo, *, converted: bool) -> dict[str, Any]:
    """Square pixels, even sizes, limited range, and BT.709 colours."""
    aspect = video.sample_aspect
    wide = "iw" if aspect == 1 else f"iw*{aspect.numerator}/{aspect.denominator}"
    if video.rotation % 180 == 90 and aspect != 1:
        wide = f"iw*{aspect.denominator}/{aspect.numerator}"
    options: dict[str, Any] = {"w": f"trunc({wide}/2)*2", "h": "trunc(ih/2)*2", "flags": "bicubic"}
    if not converted:
        options["out_range"] = "tv"
        if not _is_bt709(video):
            options["out_color_matrix"] = "bt709"
            if video.color_space == _UNSPECIFIED:
                options["in_color_matrix"] = "bt601"
        elif video.color_space == _UNSPECIFIED:
            options |= {"in_color_matrix": "bt709", "out_color_matrix": "bt709"}
    return options


def _is_bt709(video: VideoInfo) -> bool:
    """Untagged high definition is BT.709 by convention, untagged standard definition is BT.601."""
    if video.color_space == _UNSPECIFIED:
        return video.height >= _HD_LINES
    return video.color_space == _BT709


def _sound(stream: Any, frames: Frames) -> Any:
    start, end = _seconds(frames.start), _seconds(frames.end)
    return (
        stream.filter("atrim", start=start, end=end)
        .filter("asetpts", f"round(PTS-{start}/TB)")
        .filter("aresample", **{"async": 1, "first_pts": 0})
    )


def _descriptions(plan: Plan) -> dict[str, Any]:
    found: dict[str, Any] = {}
    streams = [plan.movie, *(track.source for track in plan.tracks)]
    names = ["v:0", *(f"a:{n}" for n in range(len(plan.tracks)))]
    for name, stream in zip(names, streams, strict=True):
        pairs = [("language", stream.language), ("title", stream.title)]
        values = [f"{key}={value}" for key, value in pairs if value]
        if values:
            found[f"metadata:s:{name}"] = _listed(values)
        found[f"disposition:{name}"] = "default" if stream.default else "0"
    return found


def _listed(values: Sequence[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else list(values)


def _seconds(value: Fraction) -> str:
    """A decimal number with nanoseconds; ffmpeg reads no fractions."""
    nanoseconds = round(value * 1_000_000_000)
    sign, whole = ("-" if nanoseconds < 0 else ""), abs(nanoseconds)
    return f"{sign}{whole // 1_000_000_000}.{whole % 1_000_000_000:09d}"
