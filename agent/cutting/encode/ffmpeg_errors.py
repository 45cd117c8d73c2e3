"""What ffmpeg's error messages mean to the user. Pure."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Sequence
from typing import Literal

from agent.cutting.plan.encoders import CANDIDATES, on_gpu
from agent.cutting.process.limits import out_of_memory
from clipping.errors import EncoderFailed, NoSpace, ProcessDied, SourceCorrupt, SourceUnavailable, TooLarge

Fatal = Literal["memory", "pixels"]
_FATAL: dict[str, Fatal] = {
    "exceeds specified max pixel count": "pixels",
    "Cannot allocate memory": "memory",
    "Could not allocate memory": "memory",
    "malloc of size": "memory",
}
_FULL = ("No space left on device", "File too large", "quota exceeded")
_AWAY = ("Input/output error", "Stale file handle", "not connected")
_ENCODER = (
    "x264 [error]",
    "x265 [error]",
    "Error while opening encoder",
    "Error submitting video frame to the encoder",
    "Unknown encoder",
)
_GPU = (
    *(f"[{name} @" for name in CANDIDATES if on_gpu(name)),
    "[VAAPI @",
    "[QSV @",
    "[AVHWDeviceContext @",
    "[AVHWFramesContext @",
    "_hwupload_",
    "Device creation failed",
)
"""Whatever a GPU's driver says, such as "Input/output error", is not said of the recording."""
_DECODER = ("Decode error rate", "Error opening input")
"""Whatever else fails, fails because of these."""
_DAMAGE = (
    *_DECODER,
    "Invalid data found when processing input",
    "received no packets",
    "Error during demuxing",
    "Could not find codec parameters",
    "Output file does not contain any stream",
    "matches no streams",
    "Cannot determine format of input",
    "Application provided duration",
)


def fatal(line: str) -> Fatal | None:
    """Why a run is to be ended at once: some ffmpegs never end when they run out of memory."""
    return next((kind for words, kind in _FATAL.items() if words in line), None)


def failure(code: int, output: Sequence[str], memory: int | None = None) -> Exception:
    """What a failed run means, by its exit code, its last lines and the memory that it could have."""
    last = output[-1].strip() if output else f"exit code {code}"
    if any(fatal(line) == "pixels" for line in output):
        return TooLarge("the recording has larger frames than cutting.max_pixels allows")
    if _names(output, _FULL) or code == -signal.SIGXFSZ:
        return NoSpace("the spool's disk is full: free some space")
    if _names(output, _AWAY) and not _names(output, _GPU):
        return SourceUnavailable(f"the recording can't be read now: {last}")
    if any(fatal(line) == "memory" for line in output) and memory is not None:
        return EncoderFailed(out_of_memory("ffmpeg", memory))
    if code < 0:
        return ProcessDied(f"ffmpeg was ended by signal {-code}")
    if _names(output, _DECODER) or (_names(output, _DAMAGE) and not _names(output, (*_ENCODER, *_GPU))):
        return SourceCorrupt(f"the recording can't be decoded there: {last}")
    return EncoderFailed(f"ffmpeg failed: {last}")


def _names(output: Iterable[str], words: Iterable[str]) -> bool:
    return any(word in line for line in output for word in words)
