"""Which encoder to use, with which arguments, and what its errors mean. Pure.

An encoder in ffmpeg's list need not work on this machine: each one is tried first (`encoder_trial`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from clipping.contract.choices import Quality

EncoderName = Literal["h264_nvenc", "libx264", "libx265"]
Refusal = Literal["absent", "no driver", "driver too old", "no encoder", "busy", "failed"]

CPU: Mapping[str, EncoderName] = {"h264": "libx264", "hevc": "libx265"}
"""The encoder that every machine has, by the codec it writes."""
CARD: Mapping[str, EncoderName] = {"h264": "h264_nvenc"}
CANDIDATES: tuple[EncoderName, ...] = ("h264_nvenc", "libx264", "libx265")
"""In the order of preference."""

_CRF: dict[Quality, int] = {"high": 18, "medium": 23}
_HEVC_CRF: dict[Quality, int] = {"high": 21, "medium": 26}
"""x265's scale looks alike about three steps above x264's."""
_NVENC_CQ: dict[Quality, int] = {"high": 19, "medium": 24}
_REFINED_PRESET: dict[Quality, str] = {"high": "slow", "medium": "fast"}
"""For reshaped clips, which are made to be published: size matters more than time."""

_SLOW_LOOKAHEAD = 20
"""Frames. x264 would take 50, which cost 200 MB more at 1080x1920 and gave a file of the same size."""


@dataclass(frozen=True)
class RateCap:
    """Bits a second that the video may take, and over how many bits that is averaged."""

    bits: int
    window: int


def video_arguments(
    encoder: EncoderName, quality: Quality, *, refined: bool = False, cap: RateCap | None = None
) -> dict[str, str | int]:
    """ffmpeg's output options for the video.

    `refined`: take the time for better quality. Checked against ffmpeg 5.1 and 9.0; NVENC's `p5` with
    `-cq` and no bit rate is its constant quality.
    """
    options: dict[str, str | int] = {"c:v": encoder}
    match encoder:
        case "h264_nvenc":
            options |= {"preset": "p5", "rc": "vbr", "cq": _NVENC_CQ[quality], "b:v": 0}
            options |= {"profile:v": "high", "forced-idr": 1}
        case "libx264":
            preset = _REFINED_PRESET[quality] if refined else "veryfast"
            options |= {"preset": preset, "crf": _CRF[quality], "profile:v": "high"}
            if preset == "slow":
                options["rc-lookahead"] = _SLOW_LOOKAHEAD
        case "libx265":
            preset = "medium" if refined and quality == "high" else "veryfast"
            options |= {"preset": preset, "crf": _HEVC_CRF[quality], "profile:v": "main"}
            options["x265-params"] = "log-level=error"  # it ignores ffmpeg's log level
    if cap is not None:
        options |= {"maxrate": cap.bits, "bufsize": cap.window}
    return options


_REFUSALS: tuple[tuple[str, Refusal, str], ...] = (
    ("Unknown encoder", "absent", "this ffmpeg was built without it"),
    ("Cannot load libcuda", "no driver", "this machine has no NVIDIA driver"),
    (
        "Cannot load libnvidia-encode",
        "no driver",
        "the NVIDIA driver has no encoding library: in a container, add `video` to "
        "NVIDIA_DRIVER_CAPABILITIES",
    ),
    ("CUDA_ERROR_NO_DEVICE", "no driver", "there is an NVIDIA driver, but no card"),
    ("CUDA_ERROR_SYSTEM_DRIVER_MISMATCH", "failed", "the NVIDIA driver was updated: restart the machine"),
    ("cuInit(0) failed", "failed", "the NVIDIA driver does not start"),
    ("Driver does not support the required nvenc API", "driver too old", "the NVIDIA driver is too old"),
    ("minimum required Nvidia driver", "driver too old", "the NVIDIA driver is too old"),
    # Before the session's other failures: ffmpeg says both of one card, in this order.
    ("OpenEncodeSessionEx failed: unsupported device", "no encoder", "the card has no encoder"),
    ("OpenEncodeSessionEx failed: no encode device", "no encoder", "the card has no encoder"),
    (
        "OpenEncodeSessionEx failed: out of memory",
        "busy",
        "the card accepts no more encodes now: its limit of sessions is reached, or its memory is full",
    ),
    (
        "OpenEncodeSessionEx failed: incompatible client key",
        "busy",
        "the card accepts no more encodes now: its limit of sessions is reached",
    ),
    ("No free encoding session", "busy", "the card accepts no more encodes now"),
    ("capable devices found", "no encoder", "no card here has an encoder that can do this"),
)


_INTERFACE = re.compile(r"nvenc API version\. Required: ([\d.]+) Found: ([\d.]+)")
_DRIVER = re.compile(r"minimum required Nvidia driver for nvenc is (?:\(unknown\) )?([\d.]+)")


@dataclass(frozen=True)
class Refused:
    """Why an encoder can't be used."""

    kind: Refusal
    reason: str
    """Completes "It is not used, because"."""


def refusal(output: Sequence[str]) -> Refused:
    """What ffmpeg's last lines mean when an encoder did not start or failed."""
    for words, kind, reason in _REFUSALS:
        if any(words in line for line in output):
            return Refused(kind, reason + _details("\n".join(output)))
    first = next((line.strip() for line in output if line.strip()), "ffmpeg gave no reason")
    return Refused("failed", first)


def _details(text: str) -> str:
    """The versions in ffmpeg's output, if any."""
    details = ""
    if interface := _INTERFACE.search(text):
        details += f": ffmpeg needs version {interface[1]} of its interface, it has {interface[2]}"
    if driver := _DRIVER.search(text):
        details += f"; install driver {driver[1]} or newer"
    return details


@dataclass(frozen=True)
class Choice:
    """An encoder for one clip."""

    encoder: EncoderName
    warnings: tuple[str, ...] = ()
    """For a caller who expected another one."""


CODECS: Mapping[str, str] = {"libx264": "h264", "h264_nvenc": "h264", "libx265": "hevc"}
"""What each encoder writes, as libavcodec names it."""
