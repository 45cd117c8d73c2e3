"""The encoders: their names, their arguments, and where they run. Pure.

An encoder in ffmpeg's list need not work on this machine: each one is tried first (`encode.encoder_probe`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from clipping.contract.choices import Quality

EncoderName = Literal["h264_nvenc", "h264_qsv", "hevc_qsv", "h264_vaapi", "hevc_vaapi", "libx264", "libx265"]
Family = Literal["nvenc", "qsv", "vaapi", "cpu"]
Wanted = Literal["auto", "nvenc", "qsv", "vaapi", "cpu"]
"""The values of `cutting.encoder`."""
RateMode = Literal["icq", "vbr", "cqp"]
"""Of Intel's and AMD's encoders: quality that adapts to the frames, a bit rate with a limit, a fixed
quantizer. Not every chip and driver has each of them."""
Card: TypeAlias = tuple[Literal["nvidia", "dri"], int]
"""One GPU: QSV and VAAPI run on the same ones."""

CANDIDATES: tuple[EncoderName, ...] = get_args(EncoderName)
"""In the order of preference."""
CPU: Mapping[str, EncoderName] = {"h264": "libx264", "hevc": "libx265"}
"""The encoder that every machine has, by the codec it writes."""
CODECS: Mapping[str, str] = {
    name: "hevc" if name in ("hevc_qsv", "hevc_vaapi", "libx265") else "h264" for name in CANDIDATES
}
"""What each encoder writes, as libavcodec names it."""
DRI = Path("/dev/dri")
"""The device files of Intel's and AMD's GPUs."""
FIRST_NODE = 128

_FAMILIES: tuple[Family, ...] = ("nvenc", "qsv", "vaapi", "cpu")
_CRF: dict[Quality, int] = {"high": 18, "medium": 23}
_HEVC_CRF: dict[Quality, int] = {"high": 21, "medium": 26}
"""x265's scale looks alike about three steps above x264's."""
_NVENC_CQ: dict[Quality, int] = {"high": 19, "medium": 24}
_GPU_QUALITY: dict[str, dict[Quality, int]] = {
    "h264": {"high": 20, "medium": 25},
    "hevc": {"high": 22, "medium": 27},
}
"""Of ICQ and CQP, which share the quantizer's scale. Chosen by analogy with NVENC, not measured."""
_REFINED_PRESET: dict[Quality, str] = {"high": "slow", "medium": "fast"}
"""For reshaped clips, which are made to be published: size matters more than time."""

_SLOW_LOOKAHEAD = 20
"""Frames. x264 would take 50, which cost 200 MB more at 1080x1920 and gave a file of the same size."""
_GOP = 250
"""As x264's and NVENC's default; VAAPI's is 120, QSV's differs by version."""
_TARGET = 0.8
"""Of the largest bit rate: what remains is for the frames that need more."""


@dataclass(frozen=True)
class RateCap:
    """Bits a second that the video may take, and over how many bits that is averaged."""

    bits: int
    window: int


@dataclass(frozen=True)
class Choice:
    """An encoder for one clip."""

    encoder: EncoderName
    warnings: tuple[str, ...] = ()
    """For a caller who expected another one."""
    mode: RateMode | None = None
    """None: the encoder has only one, which keeps a limit too."""
    gpu: int | None = None
    """The number of its GPU, as in `cutting.gpus`; None: on the CPU."""


def family(encoder: EncoderName) -> Family:
    """What it runs on."""
    kind = encoder.partition("_")[2]
    return next((name for name in _FAMILIES if name == kind), "cpu")


def on_gpu(encoder: EncoderName) -> bool:
    """Whether it runs on a GPU."""
    return family(encoder) != "cpu"


def families(wanted: Wanted) -> tuple[Family, ...]:
    """Which encoders may be used, in the order of preference."""
    if wanted == "auto":
        return _FAMILIES
    return (wanted,) if wanted == "cpu" else (wanted, "cpu")


def card(encoder: EncoderName, gpu: int) -> Card:
    """The GPU with this number."""
    return ("nvidia" if family(encoder) == "nvenc" else "dri", gpu)


def render_node(gpu: int) -> Path:
    """The device file of an Intel or AMD GPU."""
    return DRI / f"renderD{FIRST_NODE + gpu}"


def device_options(encoder: EncoderName, gpu: int | None) -> list[str]:
    """ffmpeg's options, for the whole command, that open the GPU."""
    match family(encoder):
        case "vaapi" if gpu is not None:
            return ["-vaapi_device", str(render_node(gpu))]
        case "qsv" if gpu is not None:
            return ["-init_hw_device", f"qsv=gpu:hw,child_device={render_node(gpu)}"]
        case _:
            return []


def video_arguments(
    encoder: EncoderName,
    quality: Quality,
    *,
    refined: bool = False,
    cap: RateCap | None = None,
    mode: RateMode | None = None,
    gpu: int | None = None,
) -> dict[str, str | int]:
    """ffmpeg's output options for the video.

    `refined`: take the time for better quality. `mode`: of an encoder that has several; those other than
    `vbr` keep no `cap`. Checked against ffmpeg 5.1 and 9.0; NVENC's `p5` with `-cq` and no bit rate is its
    constant quality.
    """
    options: dict[str, str | int] = {"c:v": encoder}
    match encoder:
        case "h264_nvenc":
            options |= {"preset": "p5", "rc": "vbr", "cq": _NVENC_CQ[quality], "b:v": 0}
            options |= {"profile:v": "high", "forced-idr": 1}
            if gpu is not None:
                options["gpu"] = gpu
        case "libx264":
            preset = _REFINED_PRESET[quality] if refined else "veryfast"
            options |= {"preset": preset, "crf": _CRF[quality], "profile:v": "high"}
            if preset == "slow":
                options["rc-lookahead"] = _SLOW_LOOKAHEAD
        case "libx265":
            preset = "medium" if refined and quality == "high" else "veryfast"
            options |= {"preset": preset, "crf": _HEVC_CRF[quality], "profile:v": "main"}
            options["x265-params"] = "log-level=error"  # it ignores ffmpeg's log level
        case _:
            return options | _intel_or_amd(encoder, quality, cap, mode or ("vbr" if cap else "icq"))
    if cap is not None:
        options |= {"maxrate": cap.bits, "bufsize": cap.window}
    return options


def _intel_or_amd(
    encoder: EncoderName, quality: Quality, cap: RateCap | None, mode: RateMode
) -> dict[str, str | int]:
    codec = CODECS[encoder]
    # Without B-frames: not every chip has them, and QSV computes decoding times from a constant frame rate.
    options: dict[str, str | int] = {"profile:v": "high" if codec == "h264" else "main", "g": _GOP, "bf": 0}
    number = _GPU_QUALITY[codec][quality]
    if family(encoder) == "qsv":
        options |= {"preset": "medium", "forced_idr": 1, "flags:v": "+cgop"}
        constant = {"icq": "global_quality", "cqp": "q:v"}
    else:
        # Forced keyframes, and all others, are IDR frames here without an option.
        options["rc_mode"] = mode.upper()
        constant = {"icq": "global_quality", "cqp": "qp"}
    if mode != "vbr":
        return options | {constant[mode]: number}
    if cap is None:
        raise ValueError(f"{encoder}: the rate mode vbr needs a cap")
    return options | {"b:v": int(cap.bits * _TARGET), "maxrate": cap.bits, "bufsize": cap.window}
