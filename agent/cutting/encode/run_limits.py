"""What a run of ffmpeg for a clip may use."""

from __future__ import annotations

from agent.cutting.encode.ffmpeg import Limits
from agent.cutting.process.budget import MOST_BYTES
from agent.cutting.process.limits import own_memory_limit

_MOST_BYTES_A_SECOND = 64 << 20
_FROM_START_BYTES = 64 << 30
"""What may be read before the first frame of a clip that is decoded from the recording's start."""
_MOST_BYTES_AT_LEAST = 1 << 30
"""No clip is larger: ffmpeg is ended before it fills the disk."""


def run_limits(seconds: float, *, from_start: bool) -> Limits:
    """Those for a clip of `seconds`; `from_start`: everything before it is decoded too."""
    return Limits(
        file_bytes=max(_MOST_BYTES_AT_LEAST, int(_MOST_BYTES_A_SECOND * seconds)),
        memory_bytes=own_memory_limit(),
        idle_bytes=_FROM_START_BYTES if from_start else MOST_BYTES,
    )
