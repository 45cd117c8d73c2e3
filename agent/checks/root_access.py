"""Whether the recordings of a root can be read as this process's user, and if not, why and what to change.

Reads one byte of one file. Bounded in time, and in entries: a root may have a hundred thousand folders.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from time import monotonic

from agent.checks.access import LIST, READ, Runner, refusal, runner
from agent.resources.sources import LOOK_SECONDS, answer_within, check_mounted
from clipping.config import NasRoot
from clipping.errors import SourceUnavailable

MOST_ENTRIES, MOST_OF_FOLDER = 2000, 200
"""Entries that are read: altogether, and of one folder."""
WALK_SECONDS = 5.0
SKIPPED = (".", "@", "#", "$", "lost+found", "System Volume Information")
"""How names begin that belong to the NAS itself, such as thumbnails and the recycle bin."""


@dataclass
class _Walk:
    """What was found in a root."""

    example: str | None = None
    """A file that could be read."""
    refused: list[tuple[str, int]] = field(default_factory=list)
    """What could not, and what was wanted of it."""
    broken: str | None = None
    entries: int = 0


def check_root(root: NasRoot, *, who: Runner | None = None, timeout: float = LOOK_SECONDS) -> str:
    """What could be read. Raises `SourceUnavailable` with the cause and the fix, also when the NAS hangs."""
    known = who or runner()
    complaint = f"{root.path} did not answer within {timeout:g} s"
    return answer_within(lambda: _look(root, known), timeout, complaint, root=root.path)


def _look(root: NasRoot, who: Runner) -> str:
    try:
        with os.scandir(root.path) as entries:
            empty = next(entries, None) is None
    except PermissionError:
        raise _refused(root.path, LIST, who) from None
    except OSError as error:
        raise SourceUnavailable(_unusable(root.path, error, who)) from None
    if empty and root.marker is None:
        raise SourceUnavailable(_empty(root.path, who))
    walk = _walk(root.path)
    if walk.example is None and walk.refused:
        raise _refused(*walk.refused[0], who)
    check_mounted(root)
    if walk.example is None and walk.broken:
        raise SourceUnavailable(walk.broken)
    return _summary(root.path, walk, who)


def _refused(path: str, wanted: int, who: Runner) -> SourceUnavailable:
    try:
        return SourceUnavailable(refusal(path, wanted, who))
    except OSError as error:
        return SourceUnavailable(f"{path} can't be read now: {error.strerror}")


def _unusable(path: str, error: OSError, who: Runner) -> str:
    if isinstance(error, NotADirectoryError):
        return f"{path} is a file, or below one: agent.nas_roots takes folders"
    if isinstance(error, FileNotFoundError):
        if who.container:
            return f"{path} does not exist: {_volume(path)}"
        return f"{path} does not exist: mount the NAS there, or correct agent.nas_roots"
    return f"{path} is not usable: {error.strerror}; is the NAS mounted?"


def _volume(path: str) -> str:
    return f"mount the recordings there: `volumes: [/volume1/recordings:{path}:ro]`"


def _empty(path: str, who: Runner) -> str:
    if not who.container:
        return f"{path} is empty: mount the NAS there, or add a recording"
    if not os.path.ismount(path):
        return f"{path} is an empty folder of the image: {_volume(path)}"
    return (
        f"{path} is empty: correct the host's side of its volume, which Docker creates if it is missing, "
        "mount the share on the host before the container starts, or add a recording"
    )


def _walk(root: str) -> _Walk:
    """Depth first, until a file could be read or a limit is reached."""
    walk, folders, until = _Walk(), [root], monotonic() + WALK_SECONDS
    while folders and walk.entries < MOST_ENTRIES:
        below: list[str] = []
        for entry in _entries(folders.pop(), walk):
            if _is_folder(entry, walk):
                below.append(entry.path)
            if walk.example is not None or monotonic() > until:
                return walk
        folders += reversed(below)
    return walk


def _entries(folder: str, walk: _Walk) -> Iterator[os.DirEntry[str]]:
    try:
        listed = os.scandir(folder)
    except PermissionError:
        walk.refused.append((folder, LIST))
        return
    except OSError:
        return  # it went away meanwhile
    with listed:
        for number, entry in enumerate(listed):
            if number >= MOST_OF_FOLDER or walk.entries >= MOST_ENTRIES:
                return
            walk.entries += 1
            if not entry.name.startswith(SKIPPED):
                yield entry


def _is_folder(entry: os.DirEntry[str], walk: _Walk) -> bool:
    """Reads it if it is a file."""
    try:
        if entry.is_dir(follow_symlinks=False):
            return True
        if entry.is_file(follow_symlinks=False) and _reads(entry.path, walk):
            walk.example = entry.path
    except PermissionError:  # of some file systems, whose folders don't list what their entries are
        walk.refused.append((entry.path, READ))
    except OSError:
        pass  # it went away meanwhile
    return False


def _reads(path: str, walk: _Walk) -> bool:
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.read(file, 1)
        finally:
            os.close(file)
    except PermissionError:
        walk.refused.append((path, READ))
        return False
    except OSError as error:
        walk.broken = walk.broken or f"{path} can't be read: {error.strerror}"
        return False
    return True


def _summary(root: str, walk: _Walk, who: Runner) -> str:
    if walk.example is None:
        return f"mounted, readable; no file among the first {walk.entries} entries"
    text = f"mounted, readable: read a byte of {os.path.relpath(walk.example, root)}"
    if not walk.refused:
        return text
    return f"{text}; but {_refused(*walk.refused[0], who).message}"
