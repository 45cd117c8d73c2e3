"""Which encoder makes the frames of a proxy window. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping

CPU = "libx264"
# All without frames out of order, so that decoding times are the times of the frames.
OPTIONS: Mapping[str, Mapping[str, str]] = {
    "h264_nvenc": {
        "preset": "p2",
        "rc": "vbr",
        "cq": "28",
        "bf": "0",
        "g": "9999",
        "delay": "0",
        "zerolatency": "1",
    },
    "h264_qsv": {"preset": "veryfast", "global_quality": "28", "bf": "0", "g": "9999", "async_depth": "1"},
    CPU: {"preset": "veryfast", "crf": "26", "bf": "0", "g": "9999", "sc_threshold": "0"},
}
"""In the order of preference. VAAPI takes only frames that are on the GPU already, and is not used."""
FORMATS: Mapping[str, str] = {"h264_qsv": "nv12"}
"""Of pixels, where it is not `yuv420p`."""


def encoder_of(working: Collection[str]) -> str:
    """The encoder to use, of those that the engine has found to work; else the CPU."""
    return next((name for name in OPTIONS if name in working), CPU)
