"""The spool: a folder for each clip being worked on, on a local disk, empty when nothing is in flight."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clipping.errors import ConfigurationError, NoSpace
from clipping.log import get_logger
from clipping.release import IMPATIENT, Patience, StillInUse, lock_file

log = get_logger(__name__)


class StateDirInUse(ConfigurationError):
    """Another process owns the state directory."""

    def __init__(self, state_dir: Path, users: str) -> None:
        super().__init__(
            [
                f"agent.state_dir: {state_dir} is in use by {users}: stop it, "
                "or set a different state_dir for this agent"
            ]
        )


class Spool:
    """Owns `state_dir`: only one agent process may. Folders that a crash left are removed at the start."""

    def __init__(self, state_dir: Path, *, min_free_bytes: int, patience: Patience = IMPATIENT) -> None:
        """Waits for a process that is still exiting. Raises `StateDirInUse`, `ConfigurationError`."""
        self.state_dir = state_dir
        self._root = state_dir / "spool"
        self.min_free_bytes = min_free_bytes
        """Free space that clips must leave on the disk. May be changed at any time."""
        try:
            self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = lock_file(state_dir / "lock", f"agent.state_dir {state_dir}", patience)
        except StillInUse as error:
            raise StateDirInUse(state_dir, error.processes) from None
        except OSError as error:
            raise ConfigurationError(
                [f"agent.state_dir: {state_dir} can't be used: {error.strerror}"]
            ) from None
        for left in self._root.iterdir():
            log.info("spool.cleaned", folder=left.name)
            shutil.rmtree(left, ignore_errors=True)

    @contextmanager
    def folder(self, request_id: str) -> Iterator[Path]:
        """An empty folder for one clip, removed with its contents at the end.

        Raises `NoSpace` when the disk is nearly full.
        """
        free = self.free_bytes()
        if free < self.min_free_bytes:
            raise NoSpace(_full(self._root, free, self.min_free_bytes))
        path = self._root / request_id
        shutil.rmtree(path, ignore_errors=True)
        try:
            path.mkdir(mode=0o700)
        except OSError as error:
            raise NoSpace(f"the spool {self._root} can't be written: {error.strerror}") from None
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def look(self) -> str:
        """A text with the free space. Raises `NoSpace` when it is too little or the disk can't be written."""
        free = self.free_bytes()
        if free < self.min_free_bytes:
            raise NoSpace(_full(self._root, free, self.min_free_bytes))
        try:
            (self.state_dir / "look").write_bytes(b"x")
            (self.state_dir / "look").unlink()
        except OSError as error:
            raise NoSpace(f"the disk of {self.state_dir} can't be written: {error.strerror}") from None
        return f"{free // 1_000_000} MB free, {self.min_free_bytes // 1_000_000} MB needed"

    def free_bytes(self) -> int:
        """Free space on the spool's disk."""
        return shutil.disk_usage(self._root).free

    def close(self) -> None:
        """Release the lock."""
        os.close(self._lock)


def _full(root: Path, free: int, least: int) -> str:
    return (
        f"only {free // 1_000_000} MB are free in {root}; "
        f"agent.min_free_bytes is {least // 1_000_000} MB: make room on that disk"
    )
