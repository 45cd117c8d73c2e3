"""Limits what a job may use before it finds a frame, so that no file occupies a slot for long. Pure.

Damaged and sparse files make a demuxer search for a packet indefinitely. Each read succeeds, so the job does
not look stalled.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from agent.cutting.process.stall import Usage
from clipping.contract.choices import Stage
from clipping.errors import SourceCorrupt, SourceUnavailable

PROBE_SECONDS = 30.0
"""How long a probe may take. From a local disk, ten hours of MP4 take one second."""
PROBE_BYTES = 1 << 30
"""How much a probe may read. The index of a day of MP4 has 200 MB."""
PROBE_CPU_SECONDS = 15.0
MOST_BYTES = 4 << 30
"""How much of a recording may be read without finding a packet: as much as the longest search for a keyframe
reads, which is 100 seconds, at 340 Mbit/s."""
_BUSY_BYTES = 128 << 20
"""A probe that read this much has a source that responds: the file itself takes too long."""


def nothing_found(read: int) -> SourceCorrupt:
    """The error for a recording without a frame in `read` bytes."""
    return SourceCorrupt(
        f"no frame was found in {read >> 30} GiB of the recording: it is damaged, or is not a video"
    )


class Budget:
    """The budget of one job."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun = clock()
        self._stage: Stage = "probing"
        self._since: Usage | None = None

    def progressed(self, stage: Stage) -> None:
        """The job has made progress: its reads are counted from here, except during the probe."""
        if stage != "probing":
            self._since = None
        self._stage = stage

    def overrun(self, used: Usage | None) -> SourceCorrupt | SourceUnavailable | None:
        """Why the job must be ended, or None. `used`: what its process has used so far."""
        if used is None or self._stage == "verifying":
            return None  # it reads its own clip
        if self._since is None:
            self._since = used
        read = max(used.read - self._since.read, used.fetched - self._since.fetched)
        if read - (used.written - self._since.written) > MOST_BYTES:
            return nothing_found(MOST_BYTES)
        return self._probe_overrun(read, used.cpu - self._since.cpu) if self._stage == "probing" else None

    def _probe_overrun(self, read: int, cpu: float) -> SourceCorrupt | SourceUnavailable | None:
        late = self._clock() - self._begun > PROBE_SECONDS
        if read > PROBE_BYTES or cpu > PROBE_CPU_SECONDS or (late and read > _BUSY_BYTES):
            return SourceCorrupt(
                f"no stream was found in {read >> 20} MB of the recording: it is damaged, or is not a video"
            )
        if late:
            return SourceUnavailable(
                f"only {read >> 20} MB of the recording were read in {PROBE_SECONDS:g} s: check the NAS"
            )
        return None
