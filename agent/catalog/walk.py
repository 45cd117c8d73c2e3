"""Reads a root: every folder below it, and the recordings in each. May hang as the NAS does.

Links are left out: what one leads to is below a root, or it could not be cut from, and is found there. So a
scan of one root never waits for another one, and ends.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from agent.catalog.known import KnownRecordings
from agent.catalog.pace import Pace
from agent.catalog.paging import Entry
from agent.cutting.formats.media import Identity
from agent.resources.folders import Bounds, Found, is_growing, names_in, open_folder, shown_name
from agent.resources.mounts import MountMemory
from agent.resources.sources import check_mounted, confirm_root, use_below
from clipping.config import NasRoot
from clipping.contract.recording import MAX_PATH_BYTES
from clipping.errors import SourceUnavailable

MOST_ENTRIES = 500_000
"""Recordings and folders of one root."""
MOST_DEPTH = 64
_BOUNDS = Bounds(entries=200_000, folders=50_000, links=0)
_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EXDEV})
"""A folder was removed, renamed or replaced since its name was read."""
_REFUSED = frozenset({errno.EACCES, errno.EPERM, errno.ENAMETOOLONG})


@dataclass
class Beat:
    """When the scan was last seen to make progress; None while it does not wait for the NAS. Thread-safe."""

    at: float | None = None

    def now(self) -> None:
        self.at = time.monotonic()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """While the scan waits for something else."""
        self.at = None
        yield
        self.now()


@dataclass
class Counts:
    """What a scan has found so far."""

    folders: int = 0
    recordings: int = 0
    truncated: bool = False
    """Whether something was left out."""


@dataclass(frozen=True)
class Folder:
    """A folder, and its recordings by name."""

    path: str
    """Below the root; empty: the root itself."""
    entries: Iterator[Entry]
    """To be read before the next folder is."""


@dataclass
class Walk:
    """One scan of one root."""

    root: NasRoot
    apart: Collection[str]
    """Other roots, which may be below this one: they are scanned by themselves."""
    known: KnownRecordings
    mounts: MountMemory | None
    pace: Pace
    stop: threading.Event
    beat: Beat
    counts: Counts = field(default_factory=Counts)

    def folders(self) -> Iterator[Folder]:
        """The root and all folders below it: each before those in it, those in one by name.

        Raises `SourceUnavailable` when the root is not mounted, or a part of it can't be read now; `Stopped`.
        """
        self.beat.now()
        check_mounted(self.root, self.mounts)
        top = use_below(self.root.path, [self.root], lambda _, opened: opened, mounts=self.mounts)
        try:
            yield from self._below(top)
            confirm_root(self.root, top, self.mounts)
        finally:
            os.close(top)

    def _below(self, top: int) -> Iterator[Folder]:
        waiting = [""]
        while waiting:
            path = waiting.pop()
            descriptor = self._open(top, path)
            if descriptor is None:
                continue
            try:
                found = self._names(descriptor)
                self._take(1)
                self.counts.folders += 1
                self.counts.truncated |= found.truncated
                yield Folder(path, self._entries(descriptor, path, sorted(found.recordings)))
            finally:
                os.close(descriptor)
            if self._full():
                return
            below = [f"{path}/{name}" if path else name for name in sorted(found.folders, reverse=True)]
            waiting += [each for each in below if f"{self.root.path}/{each}" not in self.apart]

    def _open(self, top: int, path: str) -> int | None:
        """None: it is no longer there, or must not be read."""
        if path.count("/") >= MOST_DEPTH or len(path) > MAX_PATH_BYTES:
            self.counts.truncated = True
            return None
        try:
            return open_folder(top, path or ".")
        except OSError as error:
            if error.errno in _GONE and path:
                return None
            if error.errno in _REFUSED and path:
                self.counts.truncated = True
                return None
            raise _unavailable(self.root, error) from None

    def _names(self, descriptor: int) -> Found:
        try:
            return names_in(descriptor, _BOUNDS, lambda _: None)
        except PermissionError:  # the folder can be opened, and what is in it can't
            return Found(truncated=True)
        except OSError as error:
            raise _unavailable(self.root, error) from None

    def _entries(self, descriptor: int, path: str, names: list[str]) -> Iterator[Entry]:
        now = time.time()
        for begin in range(0, len(names), self.pace.slice):
            part = names[begin : begin + self.pace.slice]
            self._take(len(part))
            for name in part:
                if self._full():
                    return
                entry = self._entry(descriptor, name, now)
                if entry is not None:
                    self.counts.recordings += 1
                    yield entry
            self.beat.now()

    def _entry(self, descriptor: int, name: str, now: float) -> Entry | None:
        try:
            status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None
        except PermissionError:
            self.counts.truncated = True
            return None
        except OSError as error:
            raise _unavailable(self.root, error) from None
        if not stat.S_ISREG(status.st_mode) or shown_name(name) != name:
            return None  # it was replaced, or no request could name it
        known = self.known.of(Identity.of(status))
        modified = status.st_mtime_ns // 1_000_000
        return Entry(name, status.st_size, modified, is_growing(status.st_mtime, now), known)

    def _take(self, count: int) -> None:
        with self.beat.paused():
            self.pace.take(count, self.stop)

    def _full(self) -> bool:
        full = self.counts.folders + self.counts.recordings >= MOST_ENTRIES
        self.counts.truncated |= full
        return full


def _unavailable(root: NasRoot, error: OSError) -> SourceUnavailable:
    return SourceUnavailable(f"{root.path} can't be read now: {error.strerror}")
