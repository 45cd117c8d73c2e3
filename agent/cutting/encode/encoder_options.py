"""What an encoder is given: frames as it takes them, options, and the command around them. Pure.

Apart from the effects, whose libraries the agent's own process does not load: it tries the encoders.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import ffmpeg

from agent.cutting.encode.filters import FilterStream, Options, seconds
from agent.cutting.encode.rate_control import Rates, refined
from agent.cutting.formats.media import VideoInfo
from agent.cutting.plan.encoders import (
    CODECS,
    EncoderName,
    RateMode,
    device_options,
    family,
    on_gpu,
    video_arguments,
)
from agent.cutting.plan.spec import CutSpec

_BT709: Options = {"colorspace": "bt709", "color_primaries": "bt709", "color_trc": "bt709", "range": "tv"}
TAGS: Options = {
    "fps_mode": "passthrough",
    "chroma_sample_location": "left",
    "color_primaries": "bt709",
    "color_trc": "bt709",
    "colorspace": "bt709",
    "color_range": "tv",
}
"""Options of the output that say what its frames are."""


@dataclass(frozen=True)
class Means:
    """What an encode is made with."""

    program: Path
    encoder: EncoderName
    filters: frozenset[str]
    """Those that this ffmpeg has."""
    mode: RateMode | None = None
    """As `Choice.mode`."""
    gpu: int | None = None
    """As `Choice.gpu`."""

    def with_cpu(self, encoder: EncoderName) -> Means:
        """The same with an encoder of the CPU."""
        return replace(self, encoder=encoder, mode=None, gpu=None)

    def tone_maps(self, video: VideoInfo) -> bool:
        """Whether HDR colours become ordinary ones, not just pale."""
        return video.hdr and {"zscale", "tonemap"} <= self.filters


def finished(stream: FilterStream, encoder: EncoderName) -> FilterStream:
    """Frames of yuv420p as the encoder takes them."""
    match family(encoder):
        case "qsv":
            return tagged(stream.filter("format", "nv12"))
        case "vaapi":
            return tagged(stream.filter("format", "nv12")).filter("hwupload")
        case _:
            return tagged(stream)


def tagged(stream: FilterStream) -> FilterStream:
    """The stream with the tags of the colours that it has: those of its frames count for ffmpeg 9, not the
    options of the output, and recordings without tags have none."""
    return stream.filter("setparams", **_BT709)


def encoder_options(means: Means, spec: CutSpec, rates: Rates) -> Options:
    """Those that do not depend on the frames' times."""
    return {
        **video_arguments(
            means.encoder,
            spec.quality,
            refined=refined(spec),
            cap=rates.cap,
            mode=means.mode,
            gpu=means.gpu,
        ),
        **TAGS,
    }


def keyframe_options(encoder: EncoderName, times: Sequence[Fraction], tick: Fraction) -> Options:
    """Those that make frames at these times keyframes, in seconds; `tick`: what frames are timed in."""
    if not times:
        return {}
    # A quarter of a tick before them: a frame at or after each becomes a keyframe.
    early = [seconds(max(Fraction(0), at - tick / 4)) for at in times]
    # A GPU's encoder has its own option for it, among its others.
    return {"force_key_frames": ",".join(early), **({} if on_gpu(encoder) else {"forced-idr": 1})}


def name_option(encoder: EncoderName) -> Options:
    """The name of HEVC in MP4 and MOV: the one that Apple's players want."""
    return {"tag:v": "hvc1"} if CODECS[encoder] == "hevc" else {}


def time_base_option(tick: Fraction) -> str:
    """The value of `enc_time_base`.

    The recording's own is named too: "-1" meant it until ffmpeg 6 and is an error in 9. Audio keeps samples.
    """
    return f"{tick.numerator}:{tick.denominator}"


def encoding(means: Means, output: Any) -> list[str]:
    """The command line of an output whose video is encoded."""
    return compiled(means.program, output.global_args(*device_options(means.encoder, means.gpu)))


def compiled(program: Path, output: Any, *, progress: bool = True) -> list[str]:
    """The command line of an output; `progress`: that it prints how far it is."""
    reports = ("-progress", "pipe:1", "-stats_period", "0.5") if progress else ()
    output = output.global_args("-nostdin", "-v", "error", *reports)
    command: list[str] = ffmpeg.compile(output, cmd=str(program), overwrite_output=True)
    return command
