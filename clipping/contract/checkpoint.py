"""A checkpoint: how much of a long encode is finished and kept, so that another attempt can resume there."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from clipping.contract.effects import Framing
from clipping.contract.wire import Model, Moment

FILE = "checkpoint.json"
"""The name of a `CheckpointFile` on a disk, and of a `StoredCheckpoint` in the store."""

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
    framing: Framing | None = None
    """What `smart_crop` found before the first segment; None with any other shape."""

    @property
    def is_consistent(self) -> bool:
        """Whether it lists as many segments and frames as it says."""
        counts = (len(self.sizes), len(self.frames), sum(self.frames))
        return counts == (self.segment, self.segment, self.frame)


def segment_name(number: int) -> str:
    """The name of a finished segment's file on a disk."""
    return f"segment-{number:05}.mp4"


class StoredCheckpoint(CheckpointFile):
    """`checkpoints/{request_id}/checkpoint.json` in the store, for the agent that takes the clip over.

    It lists the segments that are in the store, beside it: at most as many as the agent has finished.
    """

    writer: str
    """The agent that wrote this."""
    epoch: int = Field(ge=0)
    """Of the writer's lease; 0 without one."""
    attempt: int = Field(ge=0)
    """Of the writer."""
    sha256: tuple[Annotated[str, Field(pattern="^[0-9a-f]{64}$")], ...]
    """Of each segment."""

    @property
    def rank(self) -> tuple[int, int]:
        """Of two writers, the one with the higher rank has the clip now."""
        return self.epoch, self.attempt

    @property
    def is_consistent(self) -> bool:
        return super().is_consistent and len(self.sha256) == self.segment

    def first(self, count: int) -> StoredCheckpoint:
        """The same checkpoint when only `count` segments of it were finished."""
        frames = self.frames[:count]
        return self.model_copy(
            update={
                "frame": sum(frames),
                "segment": len(frames),
                "frames": frames,
                "sizes": self.sizes[:count],
                "sha256": self.sha256[:count],
            }
        )

    def local(self) -> CheckpointFile:
        """As it is kept beside segments on a disk."""
        return CheckpointFile.model_validate(self.model_dump(include=set(CheckpointFile.model_fields)))

    def segment_key(self, number: int) -> str:
        """The store's key of a segment."""
        return segment_key(self.request_id, number, self.sha256[number])


PREFIX = "checkpoints/"
"""Of the keys of all checkpoints."""


def checkpoint_folder(request_id: str) -> str:
    """The prefix of the keys of everything that is kept of a clip."""
    return f"{PREFIX}{request_id}/"


def checkpoint_key(request_id: str) -> str:
    """The key of a `StoredCheckpoint`."""
    return f"{checkpoint_folder(request_id)}{FILE}"


def segment_key(request_id: str, number: int, sha256: str) -> str:
    """The key of a segment. It names the content: two agents at work on one clip can't overwrite each
    other's segments, and what is there already needs no second upload."""
    return f"{checkpoint_folder(request_id)}segment-{number:05}-{sha256[:16]}.mp4"
