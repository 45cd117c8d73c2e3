"""Keeps finished segments of long encodes in the store too, in the background: no encode waits for it.

One thread uploads one segment at a time. What to upload is read from the clip's folder, so a slow store
leaves no queue behind: the next checkpoint that is written lists all segments that are there by then. A
failed upload is tried again while the attempt lasts, and never fails a clip.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from agent.metrics import CHECKPOINT_UPLOADS
from agent.resources.checkpoint_downloads import kept_in
from agent.resources.stored_checkpoints import (
    CheckpointWriter,
    Found,
    Superseded,
    delete_checkpoint,
    delete_old,
)
from clipping.contract.checkpoint import CheckpointFile, StoredCheckpoint, segment_key, segment_name
from clipping.errors import StoreUnavailable
from clipping.log import get_logger
from clipping.store.port import Store

log = get_logger(__name__)

RETRY_SECONDS = 5.0
SWEEP_SECONDS = 6 * 3600.0
FIRST_SWEEP_SECONDS = 60.0
_MOST_DELETIONS = 1000
"""To be done. Further ones are left to the sweep."""
_DELETION_TRIES = 5
_IDLE_SECONDS = 60.0


@dataclass
class Mirror:
    """One attempt's checkpoints on their way to the store. All but the uploads' thread only set `dirty`."""

    request_id: str
    spec_hash: str
    folder: Path
    """Of the clip, on this agent."""
    agent_id: str
    epoch: int
    attempt: int
    allowed: Callable[[], bool]
    """Whether this agent may write to the store now."""
    writer: CheckpointWriter
    there: set[str] = field(default_factory=set)
    """Keys of segments that this attempt found in the store, or brought there."""
    written: StoredCheckpoint | None = None
    dirty: bool = False
    """Whether there may be something to upload."""
    ended: bool = False
    due: float = 0.0
    """When to try again after a failure, on the monotonic clock."""
    hashes: dict[tuple[int, int, int], str] = field(default_factory=dict)
    """SHA-256 of segments, by inode, size and time of modification."""


@dataclass
class _Deletion:
    request_id: str
    due: float = 0.0
    tries: int = 0


@dataclass
class _Sweep:
    due: float
    cursor: str | None = None


_Work = Mirror | _Deletion | _Sweep


class _Changed(Exception):
    """A segment is not the one that the checkpoint lists: the encode has just begun again."""


class CheckpointUploads:
    """Owns the thread `checkpoints` and the folder `scratch`. Thread-safe."""

    def __init__(self, store: Store, scratch: Path) -> None:
        self.store = store
        self._scratch = scratch
        shutil.rmtree(scratch, ignore_errors=True)  # a crash left it
        self._changed = threading.Condition()
        self._mirrors: list[Mirror] = []
        self._deletions: deque[_Deletion] = deque()
        self._sweep = _Sweep(time.monotonic() + FIRST_SWEEP_SECONDS)
        self._busy: _Work | None = None
        self._trouble = False
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="checkpoints", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self, timeout: float) -> None:
        """Allow `timeout` seconds for what is due now, and end the thread. A hanging upload is abandoned."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def begin(
        self,
        request_id: str,
        spec_hash: str,
        folder: Path,
        *,
        agent_id: str,
        epoch: int,
        attempt: int,
        allowed: Callable[[], bool],
        found: Found | None,
    ) -> Mirror:
        """Keep the checkpoints of an attempt in the store until `end`; `found`: what the store has."""
        writer = CheckpointWriter(self.store, request_id, found)
        mirror = Mirror(request_id, spec_hash, folder, agent_id, epoch, attempt, allowed, writer)
        with self._changed:
            self._mirrors.append(mirror)
        self.changed(mirror)
        return mirror

    def changed(self, mirror: Mirror) -> None:
        """There may be another finished segment. Never blocks."""
        with self._changed:
            mirror.dirty = not mirror.ended
            self._changed.notify_all()

    def wait(self, mirror: Mirror, timeout: float) -> bool:
        """Wait until everything is in the store, `timeout` seconds at most; whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: not mirror.dirty and self._busy is not mirror, timeout)

    def end(self, mirror: Mirror) -> None:
        """The attempt has ended: upload nothing more of it."""
        with self._changed:
            mirror.ended, mirror.dirty = True, False
            self._mirrors = [other for other in self._mirrors if other is not mirror]
            self._changed.notify_all()

    def delete(self, request_id: str) -> None:
        """The clip has ended: delete what is kept of it, soon."""
        with self._changed:
            if len(self._deletions) < _MOST_DELETIONS:
                self._deletions.append(_Deletion(request_id))
                self._changed.notify_all()

    def _run(self) -> None:
        while (work := self._next()) is not None:
            try:
                again = self._do(work)
                self._trouble = False
            except (StoreUnavailable, OSError) as error:
                self._failed(work, error)
                again = True
            self._done(work, again)

    def _next(self) -> _Work | None:
        """What to do next, once there is something. None at the end."""
        with self._changed:
            while True:
                waiting: list[_Work] = [each for each in self._mirrors if each.dirty]
                waiting += [*self._deletions, *(() if self._closing else (self._sweep,))]
                now = time.monotonic()
                due = next((each for each in waiting if each.due <= now), None)
                if due is not None:
                    self._begin(due)
                    return due
                if self._closing:
                    return None
                self._changed.wait(min(_IDLE_SECONDS, min(each.due for each in waiting) - now))

    def _begin(self, work: _Work) -> None:
        self._busy = work
        match work:
            case Mirror():
                work.dirty = False
                self._mirrors.remove(work)  # to the end: each gets its turn
                self._mirrors.append(work)
            case _Deletion():
                self._deletions.remove(work)
            case _Sweep():
                work.due = time.monotonic() + SWEEP_SECONDS

    def _do(self, work: _Work) -> bool:
        """Whether there is more to do."""
        match work:
            case Mirror():
                try:
                    return self._upload(work)
                except Superseded as reason:
                    log.info("checkpoint.superseded", request_id=work.request_id, reason=str(reason))
                    self.end(work)
                    return False
            case _Deletion(request_id):
                count = delete_checkpoint(self.store, request_id)
                if count:
                    log.debug("checkpoint.deleted", request_id=request_id, objects=count)
                return False
            case _Sweep():
                count, work.cursor = delete_old(self.store, work.cursor)
                if count:
                    log.info("checkpoint.old_deleted", objects=count)
                return work.cursor is not None

    def _failed(self, work: _Work, error: StoreUnavailable | OSError) -> None:
        if isinstance(work, Mirror):
            CHECKPOINT_UPLOADS.labels("failed").inc()
        if not self._trouble:  # once in an outage
            request_id = None if isinstance(work, _Sweep) else work.request_id
            log.warning("checkpoint.not_stored", request_id=request_id, error=str(error))
        self._trouble = True
        work.due = time.monotonic() + RETRY_SECONDS

    def _done(self, work: _Work, again: bool) -> None:
        with self._changed:
            self._busy = None
            match work:
                case Mirror():
                    work.dirty = (work.dirty or again) and not work.ended
                case _Deletion() if again:
                    work.tries += 1
                    if work.tries < _DELETION_TRIES:
                        self._deletions.append(work)
                case _Sweep() if again:
                    work.due = min(work.due, time.monotonic() + RETRY_SECONDS)
            self._changed.notify_all()

    def _upload(self, mirror: Mirror) -> bool:
        """Upload the first segment that is not in the store, and list it; whether there are more."""
        if not mirror.allowed():
            return False
        file = kept_in(mirror.folder)
        if file is None or file.spec_hash != mirror.spec_hash:
            return False
        hashes: list[str] = []
        try:
            for number, size in enumerate(file.sizes):
                segment = mirror.folder / segment_name(number)
                hashes.append(self._hashed(mirror, segment, size))
                key = segment_key(mirror.request_id, number, hashes[-1])
                if key not in mirror.there:
                    self._add(mirror, key, segment, hashes[-1])
                    break
        except (FileNotFoundError, _Changed):
            return False  # a new checkpoint follows
        stored = _stored(mirror, file, hashes)
        if stored != mirror.written and mirror.allowed() and not mirror.ended:
            mirror.writer.write(stored)
            mirror.written = stored
        return stored.segment < file.segment

    def _add(self, mirror: Mirror, key: str, segment: Path, digest: str) -> None:
        self._scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        copy = self._scratch / segment.name
        try:
            _link_or_copy(segment, copy)  # the store may take it away
            if self._hashed(mirror, copy, copy.stat().st_size) != digest:
                raise _Changed
            mirror.writer.add(key, copy)
        finally:
            copy.unlink(missing_ok=True)
        mirror.there.add(key)
        CHECKPOINT_UPLOADS.labels("stored").inc()

    def _hashed(self, mirror: Mirror, segment: Path, size: int) -> str:
        status = segment.stat()
        if status.st_size != size:
            raise _Changed
        key = status.st_ino, status.st_size, status.st_mtime_ns
        if key not in mirror.hashes:
            with segment.open("rb") as file:
                mirror.hashes[key] = hashlib.file_digest(file, "sha256").hexdigest()
        return mirror.hashes[key]


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:  # a file system without hard links
        shutil.copyfile(source, target)


def _stored(mirror: Mirror, file: CheckpointFile, hashes: list[str]) -> StoredCheckpoint:
    """The checkpoint of as many segments as there are hashes."""
    count = len(hashes)
    fields = {
        **file.model_dump(),
        "segment": count,
        "frame": sum(file.frames[:count]),
        "sizes": file.sizes[:count],
        "frames": file.frames[:count],
        "sha256": tuple(hashes),
        "writer": mirror.agent_id,
        "epoch": mirror.epoch,
        "attempt": mirror.attempt,
    }
    return StoredCheckpoint.model_validate(fields)
