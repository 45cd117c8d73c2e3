"""What a folder shows: recordings and folders, without hidden files and proxies. May hang as the NAS does."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import PurePath

from agent.resources.beneath import open_beneath
from clipping.text import folded

GROWING_SECONDS = 10
"""A file that was changed so recently is perhaps still written."""
_VIDEO = "3gp asf avi dv flv gxf m2ts m4v mkv mov mp4 mpeg mpg mts mxf nut ogv ts vob webm wmv"
_AUDIO = "aac aiff flac m4a mp3 ogg wav"
SUFFIXES = frozenset(f".{name}" for name in f"{_VIDEO} {_AUDIO}".split())
_PROXY = ".proxy.mp4"


@dataclass(frozen=True)
class Bounds:
    """How much of one folder is read."""

    entries: int
    folders: int
    links: int
    """To be resolved: each takes several calls."""


@dataclass
class Found:
    """The names in a folder, in no order."""

    folders: list[str] = field(default_factory=list)
    recordings: list[str] = field(default_factory=list)
    truncated: bool = False


def names_in(
    descriptor: int, bounds: Bounds, linked: Callable[[str], os.stat_result | None], *, q: str = ""
) -> Found:
    """The names in an open folder. `linked`: what the link of this name leads to, None where that is not
    shown; `q`: what names contain, `folded`. Raises `OSError`."""
    found, links = Found(), 0
    with os.scandir(descriptor) as entries:
        for number, entry in enumerate(entries):
            if number == bounds.entries or len(found.folders) == bounds.folders:
                found.truncated = True
                break
            name = entry.name
            if name.startswith(".") or q not in folded(name) or name.lower().endswith(_PROXY):
                continue
            is_recording = PurePath(name).suffix.lower() in SUFFIXES
            if entry.is_symlink():
                links += 1
                if links > bounds.links:
                    found.truncated = bounds.links > 0
                elif (status := linked(name)) is not None:
                    _sort_in(found, name, status.st_mode, is_recording=is_recording)
            elif entry.is_dir(follow_symlinks=False):
                _sort_in(found, name, stat.S_IFDIR, is_recording=False)
            elif entry.is_file(follow_symlinks=False):
                _sort_in(found, name, stat.S_IFREG, is_recording=is_recording)
    return found


def open_folder(descriptor: int, below: str = ".") -> int:
    """The folder at a path below an open one (O_PATH is enough), for reading. Raises `OSError`: as
    `open_beneath`, and `NotADirectoryError`."""
    found = open_beneath(descriptor, below)
    try:
        return os.open(f"/proc/self/fd/{found}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    finally:
        os.close(found)


def shown_name(name: str) -> str:
    """A name as valid Unicode: names of files need not be."""
    return os.fsencode(name).decode("utf-8", "replace")


def is_growing(modified: float, now: float) -> bool:
    """Whether a file is perhaps still written."""
    return 0 <= now - modified < GROWING_SECONDS


def _sort_in(found: Found, name: str, mode: int, *, is_recording: bool) -> None:
    if stat.S_ISDIR(mode) and shown_name(name) == name:
        found.folders.append(name)
    elif stat.S_ISREG(mode) and is_recording:
        found.recordings.append(name)
