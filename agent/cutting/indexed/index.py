"""Finding the index in an MP4 or MOV file."""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import BinaryIO

from agent.cutting.formats.mp4 import Box, boxes
from agent.cutting.indexed.not_plain import NotPlain

_FRAGMENTED = frozenset({"moof", "styp", "sidx"})
_MOST_BYTES = 1 << 30


def load_index(path: Path) -> mmap.mmap:
    """The content of the file's `moov`, in separate memory. Raises `NotPlain` and `OSError`."""
    with path.open("rb") as file:
        found = find_index(file, os.fstat(file.fileno()).st_size)
        size = found.end - found.start
        if not 0 < size <= _MOST_BYTES:
            raise NotPlain("its index is too large")
        index = mmap.mmap(-1, size)
        view = memoryview(index)
        done = 0
        while done < size:
            got = os.preadv(file.fileno(), [view[done:]], found.start + done)
            if got == 0:
                raise NotPlain("it is cut off")
            done += got
        return index


def find_index(file: BinaryIO, size: int) -> Box:
    """Where the index is in a file of this size; it may be damaged. Raises `NotPlain` and `OSError`."""
    index = None
    try:
        for box in boxes(file, 0, size):
            if box.type in _FRAGMENTED:
                raise NotPlain("it is fragmented")
            if box.type == "moov":
                index = box
    except ValueError as error:
        raise NotPlain(str(error)) from None
    if index is None:
        raise NotPlain("it has no index")
    return index
