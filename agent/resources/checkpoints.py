"""Finished segments of long encodes, and parts of reels: a folder for each request, on a local disk, until it
ends."""

from __future__ import annotations

import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from clipping.log import get_logger

log = get_logger(__name__)

LONGEST_SECONDS = 7 * 86_400.0
"""A clip whose last segment is older was made by another agent, or was given up."""


@dataclass(frozen=True)
class _Kept:
    folder: Path
    bytes: int
    seconds: float
    """Since its last segment was finished."""


class Checkpoints:
    """Owns `state_dir/checkpoints`; the caller has locked `state_dir`. Thread-safe.

    What is too old, or more than `most_bytes` together, is removed at the start and before each clip.
    """

    def __init__(self, state_dir: Path, *, most_bytes: int) -> None:
        self._root = state_dir / "checkpoints"
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._in_use: Counter[str] = Counter()
        self._sweep()

    @contextmanager
    def of(self, request_id: str) -> Iterator[Path]:
        """The folder of a clip, which may not exist yet. It is not swept meanwhile."""
        with self._lock:
            self._in_use[request_id] += 1
        try:
            self._sweep()
            yield self._root / request_id
        finally:
            with self._lock:
                self._in_use[request_id] -= 1

    def drop(self, request_id: str) -> None:
        """The clip has ended: nothing will be resumed."""
        shutil.rmtree(self._root / request_id, ignore_errors=True)

    def _sweep(self) -> None:
        total = 0
        for kept in sorted(self._kept(), key=lambda kept: kept.seconds):
            total += kept.bytes
            with self._lock:
                if self._in_use[kept.folder.name] > 0:
                    continue
            if kept.seconds > LONGEST_SECONDS or total > self._most_bytes:
                total -= kept.bytes
                shutil.rmtree(kept.folder, ignore_errors=True)
                log.info("checkpoint.swept", request_id=kept.folder.name, bytes=kept.bytes)

    def _kept(self) -> Iterator[_Kept]:
        for folder in self._root.iterdir() if self._root.is_dir() else ():
            try:
                found = [file.stat() for file in folder.iterdir()]
                newest = max((one.st_mtime for one in found), default=folder.stat().st_mtime)
            except OSError:  # its clip has just ended
                continue
            yield _Kept(folder, sum(one.st_size for one in found), time.time() - newest)
