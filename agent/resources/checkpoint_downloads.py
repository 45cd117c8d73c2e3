"""Takes over what another agent has finished of a long encode and kept in the store."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from agent.cutting import Keep
from agent.cutting.formats.media import Identity
from clipping.contract.checkpoint import FILE, CheckpointFile, StoredCheckpoint, segment_name
from clipping.errors import StoreUnavailable
from clipping.store.port import Store

BUDGET_SECONDS = 45.0
"""For all segments together: those that are there by then are used. The rest may be encoded faster."""
_LOOK_SECONDS = 0.1


def kept_in(folder: Path) -> CheckpointFile | None:
    """What is kept in a clip's folder on this agent."""
    try:
        file = CheckpointFile.model_validate_json((folder / FILE).read_bytes())
    except (OSError, ValidationError):
        return None
    return file if file.is_consistent else None


def is_further(one: CheckpointFile, other: CheckpointFile | None) -> bool:
    """Whether more is finished in `one`. A second try at a smaller size is further than any first one."""
    return _reached(one) > ((False, 0) if other is None else _reached(other))


def _reached(file: CheckpointFile) -> tuple[bool, int]:
    return file.outgrown is not None, file.frame


def misfit(file: CheckpointFile, keep: Keep, recording: Identity) -> str | None:
    """Why segments are of no use for a clip; None: as far as this is known before it is planned, they are."""
    if (file.request_id, file.spec_hash) != (keep.request_id, keep.spec_hash):
        return "it is of another request"
    if (file.source_size, file.source_mtime_ns) != (recording.size, recording.mtime_ns):
        return "the recording has changed, or is not the same file on both agents"
    return None


@dataclass
class Download:
    """One download of segments, in a thread of its own: a store that hangs holds no attempt up."""

    store: Store
    checkpoint: StoredCheckpoint
    scratch: Path
    """An empty folder, on the disk of the clip's."""
    intact: int = 0
    """How many segments are complete and verified."""
    trouble: str | None = None
    """Why there are no more."""
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self, interrupted: Callable[[], bool], *, seconds: float) -> int:
        """Download at most so long, or until interrupted; how many segments are there, from the first on."""
        name = f"checkpoint-download-{self.checkpoint.request_id}"
        thread = threading.Thread(target=self._work, name=name, daemon=True)
        thread.start()
        give_up = time.monotonic() + seconds
        while thread.is_alive() and not interrupted():
            if time.monotonic() > give_up:
                self.trouble = f"not finished within {seconds:g} s"
                break
            thread.join(_LOOK_SECONDS)
        self._stop.set()
        return self.intact

    def _work(self) -> None:
        try:
            while self.intact < self.checkpoint.segment and not self._stop.is_set():
                self._one(self.intact)
                self.intact += 1
        except (StoreUnavailable, OSError, _Damaged) as error:
            self.trouble = self.trouble or str(error)

    def _one(self, number: int) -> None:
        target = self.scratch / segment_name(number)
        if self.store.download(self.checkpoint.segment_key(number), target) is None:
            raise _Damaged(f"segment {number} is not in the store")
        if target.stat().st_size != self.checkpoint.sizes[number]:
            raise _Damaged(f"segment {number} has another size")
        with target.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != self.checkpoint.sha256[number]:
                raise _Damaged(f"segment {number} has another content")
            os.fsync(file.fileno())


class _Damaged(Exception):
    """A segment is not the one that was stored. The text says why."""


def install(checkpoint: CheckpointFile, scratch: Path, folder: Path) -> None:
    """Move the segments in `scratch` to the clip's folder, in place of what is there. Raises `OSError`."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / FILE).unlink(missing_ok=True)  # first: segments count once it lists them
    for left in folder.iterdir():
        left.unlink()
    for number in range(checkpoint.segment):
        os.replace(scratch / segment_name(number), folder / segment_name(number))
    part = folder / f"{FILE}.part"
    with part.open("wb") as file:
        file.write(checkpoint.model_dump_json(exclude_none=True).encode())
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, folder / FILE)
