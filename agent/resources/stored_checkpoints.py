"""Checkpoints in the store, for another agent that takes a clip over.

Two agents may work on one clip: one that has lost its lease may not know it yet. Segments are created, never
replaced, and their keys name their content. The checkpoint that lists them is replaced by compare-and-set,
and by the attempt with the higher rank only (its lease's epoch, then the number of the attempt).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from pydantic import ValidationError

from clipping.contract.checkpoint import PREFIX, StoredCheckpoint, checkpoint_folder, checkpoint_key
from clipping.errors import ObjectExists, StoreUnavailable, VersionMismatch
from clipping.store.port import Store

LONGEST = timedelta(days=7)
"""A clip whose checkpoint was not written for longer was given up."""
_TRIES = 5


class Superseded(Exception):
    """Another attempt has the clip now, or it has ended: this one's checkpoint is of no use."""


@dataclass(frozen=True)
class Found:
    """What the store has of a clip."""

    checkpoint: StoredCheckpoint | None
    """None: it can't be read, or it is of another release."""
    version: str


def look(store: Store, request_id: str) -> Found | None:
    """The checkpoint of a clip, if there is one. Raises `StoreUnavailable`."""
    try:
        found = store.get(checkpoint_key(request_id))
    except ValueError as error:
        raise StoreUnavailable(str(error)) from None  # larger than any checkpoint
    if found is None:
        return None
    try:
        checkpoint = StoredCheckpoint.model_validate_json(found[0])
    except ValidationError:
        return Found(None, found[1].version)
    right = checkpoint.is_consistent and checkpoint.request_id == request_id
    return Found(checkpoint if right else None, found[1].version)


class CheckpointWriter:
    """Writes the checkpoints of one attempt. Raises `StoreUnavailable`."""

    def __init__(self, store: Store, request_id: str, found: Found | None) -> None:
        """`found`: what the store had when the attempt began; None also if that is unknown."""
        self._store = store
        self._key = checkpoint_key(request_id)
        self._version = None if found is None else found.version

    def add(self, key: str, segment: Path) -> None:
        """Create a segment's object, unless it exists. The store may take the file away."""
        try:
            self._store.create(key, segment, content_type="video/mp4", metadata={})
        except ObjectExists:
            return  # its key names its content

    def write(self, checkpoint: StoredCheckpoint) -> None:
        """Replace the checkpoint. Raises `Superseded` when an attempt of higher rank has written one."""
        data = checkpoint.model_dump_json(exclude_none=True).encode()
        for _ in range(_TRIES):
            try:
                self._version = self._store.replace(self._key, data, expected=self._version).version
                return
            except VersionMismatch:
                self._version = self._take_over(checkpoint)
        raise StoreUnavailable(f"{self._key} changes faster than it can be written")

    def _take_over(self, mine: StoredCheckpoint) -> str | None:
        """The version to replace although this attempt has not read it before."""
        found = look(self._store, mine.request_id)
        if found is None:
            if self._version is not None:
                raise Superseded("its checkpoint was deleted: the clip has ended")
            return None
        other = found.checkpoint
        if other is None or other.rank < mine.rank:
            return found.version
        if other.rank == mine.rank and other.writer == mine.writer:
            return found.version  # our own, whose response was lost
        raise Superseded(f"{other.writer} has the clip now, in epoch {other.epoch}, attempt {other.attempt}")


def delete_checkpoint(store: Store, request_id: str) -> int:
    """Delete everything that is kept of a clip; how many objects. Raises `StoreUnavailable`."""
    count = 0
    # First: no agent may resume from what is being deleted.
    count += store.delete(checkpoint_key(request_id))
    while objects := store.list(checkpoint_folder(request_id)).objects:
        count += sum(store.delete(found.key) for found in objects)
    return count


def delete_old(store: Store, cursor: str | None) -> tuple[int, str | None]:
    """Delete what is older than `LONGEST` in a page of the store; how many objects, and the next cursor.

    Raises `StoreUnavailable`.
    """
    oldest = store.server_time() - LONGEST
    page = store.list(PREFIX, cursor=cursor)
    count = 0
    for found in page.objects:
        if found.created_at < oldest:
            try:
                count += store.delete(found.key, expected=found.version)
            except VersionMismatch:
                continue  # just written
    return count, page.next_cursor
