"""The parts of a file for which the file system stores nothing: they read as zeros (lseek(2), SEEK_DATA).

Programs that reserve room for a recording before they write it, and died, leave such files, of any size.
"""

from __future__ import annotations

import errno
import os

LARGE = 64 << 20
"""Bytes: a smaller hole is cheaper to read than to skip."""
_BLOCK = 4096
"""Bytes: no file system stores less."""
_MOST_EXTENTS = 1000
"""The maximum number of stretches: the rest of the file counts as data."""


def next_data(descriptor: int, at: int) -> int | None:
    """Where the first stored byte at or behind `at` may be; None when there is none.

    A file system that does not know its holes says `at`.
    """
    return _sought(descriptor, at, os.SEEK_DATA, unknown=at)


def data_end(descriptor: int, end: int) -> int:
    """`end`, or where the large hole before it begins, to within a block."""
    low, high = 0, max(0, end - LARGE)
    if _stored(descriptor, high, end):
        return end
    if not _stored(descriptor, low, high):
        return low
    while high - low > _BLOCK:
        middle = (low + high) // 2
        found = next_data(descriptor, middle)
        if found is not None and found < high:
            low = max(found, middle)
        else:
            high = middle
    return high


def pieces(descriptor: int, begin: int, end: int) -> list[tuple[int, int]]:
    """What lies from `begin` to `end`, without its large holes."""
    if end - begin < LARGE:
        return [(begin, end)]
    found: list[tuple[int, int]] = []
    at = begin
    for _ in range(_MOST_EXTENTS):
        hole = _sought(descriptor, at, os.SEEK_HOLE, unknown=end)
        hole = end if hole is None else min(hole, end)
        data = next_data(descriptor, hole)
        at = end if data is None else min(data, end)
        if at - hole >= LARGE:
            found.append((begin, hole))
            begin = at
        if at >= end:
            break
    return [(start, stop) for start, stop in [*found, (begin, end)] if start < stop]


def _stored(descriptor: int, begin: int, end: int) -> bool:
    found = next_data(descriptor, begin)
    return found is not None and found < end


def _sought(descriptor: int, at: int, what: int, *, unknown: int) -> int | None:
    before = os.lseek(descriptor, 0, os.SEEK_CUR)
    try:
        return os.lseek(descriptor, at, what)
    except OSError as error:
        return None if error.errno == errno.ENXIO else unknown
    finally:
        os.lseek(descriptor, before, os.SEEK_SET)
