"""File system functions of the local store: durable names, and detection of network file systems."""

from __future__ import annotations

import os
from pathlib import Path

_NETWORK = {
    "nfs",
    "nfs4",
    "cifs",
    "smb2",
    "smb3",
    "smbfs",
    "9p",
    "afs",
    "ceph",
    "lustre",
    "beegfs",
    "gfs",
    "fuse",
}
_LOCAL_FUSE = "fuse.fuse-overlayfs"
"""The root of a rootless container: a FUSE file system, but a local one."""


def sync_file(path: Path) -> None:
    """Flush the file's data to disk."""
    _sync(path, os.O_RDONLY)


def sync_folder(path: Path) -> None:
    """Flush the folder's entries to disk."""
    _sync(path, os.O_RDONLY | os.O_DIRECTORY)


def make_folders(path: Path, below: Path) -> None:
    """Create `path` and its missing parents below `below`, durably."""
    if path == below or path.is_dir():
        return
    make_folders(path.parent, below)
    try:
        path.mkdir()
    except FileExistsError:
        return
    sync_folder(path.parent)


def network_type(path: Path, mounts: str) -> str | None:
    """The type of the network file system that contains `path`; None for a local file system.

    `mounts` is the text of `/proc/self/mountinfo`; `path` must not contain symbolic links.
    """
    found, longest = "", -1
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        point = _unescaped(before.split(" ")[4])
        # The last mount on a point hides the ones before it.
        if len(point) >= longest and path.is_relative_to(point):
            found, longest = after.split(" ")[0], len(point)
    network = found in _NETWORK or (found.startswith("fuse.") and found != _LOCAL_FUSE)
    return found if network else None


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unescaped(point: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        point = point.replace(code, character)
    return point
