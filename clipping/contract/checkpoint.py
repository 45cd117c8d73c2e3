"""A checkpoint: how much of a long encode is finished and kept, so that another attempt can resume there."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from clipping.contract.wire import Model, Moment

Count = Annotated[int, Field(ge=0, lt=2**31)]


class Checkpoint(Model):
    """The finished part of an encode. One shape in statuses, events, progress messages and files."""

    frame: Count
    """How many frames of the clip are finished, which is the number of the next one."""
    total: Count
    """How many frames the clip will have."""
    segment: Count
    """How many segments are finished, which is the number of the next one."""
    segments: Count
    """How many segments the clip is encoded in."""
    resumed_count: Count = 0
    """How often an attempt resumed from a checkpoint."""


class CheckpointFile(Checkpoint):
    """`checkpoint.json`, which is kept beside the finished segments."""

    request_id: str
    spec_hash: str
    """Of the request, see `ClipRequest.spec_hash`."""
    agent_id: str
    """The agent that made the last segment."""
    created_at: Moment
    """When the last segment was finished."""
    source_size: int
    """Bytes of the recording when its segments were made."""
    source_mtime_ns: int
    recipe: str
    """SHA-256 (hex) of how its segments are made: those of another recipe can't be joined with them."""
    encoder: str
    sizes: tuple[Annotated[int, Field(gt=0)], ...]
    """Bytes of each finished segment."""
    frames: tuple[Count, ...]
    """How many frames each of them has."""
    reported_errors: bool = False
    """Whether ffmpeg reported errors while it made them."""
    outgrown: int | None = None
    """The size at which an earlier try came out larger than requested; None: there was none."""

    @property
    def is_consistent(self) -> bool:
        """Whether it lists as many segments and frames as it says."""
        counts = (len(self.sizes), len(self.frames), sum(self.frames))
        return counts == (self.segment, self.segment, self.frame)
