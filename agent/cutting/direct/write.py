"""The clip's file: its index, then stretches of the recording as they are, hashed on the way."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from agent.cutting.direct.tables import Ints, NotPlain
from agent.cutting.source import FULL, out_of_space
from clipping.errors import NoSpace, SourceUnavailable

_STEP = 4 << 20
"""Bytes moved at a time."""
_MOST_STRETCHES = 4096
"""With more of them the recording is too scattered for this to be fast."""


def stretches(offsets: Ints, sizes: Ints) -> tuple[Ints, list[tuple[int, int]]]:
    """Where each sample comes to lie, and the (offset, size) of what is read for them, in order.

    Raises `NotPlain` when samples overlap or are scattered.
    """
    order = np.argsort(offsets, kind="stable")
    begins, lengths = offsets[order], sizes[order]
    ends = begins + lengths
    if np.any(begins[1:] < ends[:-1]):
        raise NotPlain("its samples overlap")
    places = np.empty_like(offsets)
    places[order] = np.cumsum(lengths) - lengths
    heads = np.concatenate([[0], np.flatnonzero(begins[1:] != ends[:-1]) + 1]).astype(np.int64)
    if len(heads) > _MOST_STRETCHES:
        raise NotPlain("it is scattered")
    tails = np.append(heads[1:], len(begins)) - 1
    return places, [(int(a), int(b - a)) for a, b in zip(begins[heads], ends[tails], strict=True)]


def write(
    target: Path,
    before: Sequence[bytes],
    source: int,
    pieces: list[tuple[int, int]],
    after: Sequence[bytes],
    progress: Callable[[float], None],
) -> str:
    """`before`, the pieces of the open file `source`, and `after`; the SHA-256 of all, hexadecimal.

    Raises `NotPlain` when the recording is shorter than its index says, and `NoSpace`.
    """
    total = sum(size for _, size in pieces) or 1
    done = 0
    with _Target(target) as out:
        for data in before:
            out.write(memoryview(data))
        buffer = memoryview(bytearray(_STEP))
        for offset, size in pieces:
            end = offset + size
            while offset < end:
                got = _read(source, buffer[: min(_STEP, end - offset)], offset)
                out.write(buffer[:got])
                offset += got
                done += got
                progress(done / total)
        for data in after:
            out.write(memoryview(data))
    return out.digest.hexdigest()


class _Target:
    def __init__(self, path: Path) -> None:
        self._path = path
        self.digest = hashlib.sha256()

    def __enter__(self) -> _Target:
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def write(self, data: memoryview) -> None:
        self.digest.update(data)
        while data:
            try:
                written = os.write(self._file, data)
            except OSError as error:
                if out_of_space(error):
                    raise NoSpace(FULL) from error
                raise
            data = data[written:]


def _read(source: int, buffer: memoryview, offset: int) -> int:
    try:
        got = os.preadv(source, [buffer], offset)
    except OSError as error:
        raise SourceUnavailable(f"The recording can't be read now: {error.strerror}.") from error
    if got == 0:
        raise NotPlain("it is shorter than its index says")
    return got
