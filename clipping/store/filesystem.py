"""What a local store needs of a file system: names that survive a power cut, and no network in between."""

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
"""The root of a rootless container: a FUSE file system, and on this machine."""


def sync_file(path: Path) -> None:
    """Bring the file's data to the disk."""
    _sync(path, os.O_RDONLY)


def sync_folder(path: Path) -> None:
    """Bring the folder's names to the disk."""
    _sync(path, os.O_RDONLY | os.O_DIRECTORY)


def make_folders(path: Path, below: Path) -> None:
    """Create `path` and what is missing between it and `below`, durably."""
    if path == below or path.is_dir():
        return
    make_folders(path.parent, below)
    try:
        path.mkdir()
    except FileExistsError:
        return
    sync_folder(path.parent)


def network_type(path: Path, mounts: str) -> str | None:
    """The type of the network file system that `path` is on; None when it is on a local one.

    `mounts` is the text of `/proc/self/mountinfo`; `path` has to be free of symbolic links.
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
