"""Writes the clip's file: its index, then stretches of the recording, hashed while they are written."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agent.cutting.formats.arrays import Ints
from agent.cutting.indexed.not_plain import NotPlain
from agent.cutting.reading.source import FULL, out_of_space
from agent.cutting.writing.disk import reserve, start_write_back
from clipping.errors import NoSpace, SourceUnavailable

_STEP = 1 << 20
"""Bytes moved at a time: they are read, written, hashed and watched while the processor's cache holds them.

Measured: `copy_file_range` and `sendfile` take as long as a read and a write, as allocating the clip's pages
is most of the work, and what they copy would have to be read again to be hashed.
"""
_WRITE_BACK = 4 << 20
"""Bytes whose way to the disk is begun at once."""
_MOST_STRETCHES = 4096
"""With more of them the recording is too scattered for this to be fast."""


def stretches(offsets: Ints, sizes: Ints, between: int = 0) -> tuple[Ints, list[tuple[int, int]]]:
    """The place of each sample, and the (offset, size) of what is read for them, in order.

    `between`: the number of bytes without samples that may be read too, where samples lie around them.
    Raises `NotPlain` when samples overlap or are scattered.
    """
    if not len(offsets):
        return offsets, []  # every frame is encoded, and there is no audio
    order = np.argsort(offsets, kind="stable")
    begins, lengths = offsets[order], sizes[order]
    ends = begins + lengths
    if np.any(begins[1:] < ends[:-1]):
        raise NotPlain("its samples overlap")
    heads = np.concatenate([[0], np.flatnonzero(begins[1:] - ends[:-1] > between) + 1]).astype(np.int64)
    if len(heads) > _MOST_STRETCHES:
        raise NotPlain("it is scattered")
    tails = np.append(heads[1:], len(begins)) - 1
    read = ends[tails] - begins[heads]
    places = np.empty_like(offsets)
    places[order] = begins - np.repeat(begins[heads] - np.cumsum(read) + read, tails - heads + 1)
    return places, [(int(a), int(size)) for a, size in zip(begins[heads], read, strict=True)]


class Writing:
    """A file that is being written, and hashed, in a separate thread.

    Both ends are written at once and first, so that they can be verified while the rest follows.
    """

    def __init__(
        self,
        target: Path,
        before: Sequence[bytes],
        source: int,
        pieces: Sequence[tuple[int, int]],
        after: Sequence[bytes],
        watch: Callable[[int, memoryview], None],
    ) -> None:
        """`before`, the pieces of the open file `source`, and `after`. Raises `NoSpace`.

        `watch` gets all of it in order, with where it lies, in the writing thread.
        """
        self._segments: list[_Segment] = []
        at = 0
        for data in before:
            self._segments.append(_Segment(at, len(data), data, 0))
            at += len(data)
        for offset, size in pieces:
            self._segments.append(_Segment(at, size, None, offset))
            at += size
        for data in after:
            self._segments.append(_Segment(at, len(data), data, 0))
            at += len(data)
        self.size = at
        self.left = at
        """Bytes still to be written."""
        self._source = source
        self._watch = watch
        self._digest = hashlib.sha256()
        self._failure: Exception | None = None
        self._lock = threading.Lock()
        self._complete = False
        self._then: Callable[[], None] | None = None
        self._file = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        self._thread = threading.Thread(target=self._write_all, name="clip-writer", daemon=True)

    def start(self, first: int, last: int) -> None:
        """Write this many bytes of both ends, and start writing the whole. Raises as `result`."""
        buffer = memoryview(bytearray(_STEP))
        try:
            with _room():
                reserve(self._file, self.size)
            for begin, end in ((0, min(first, self.size)), (max(0, self.size - last), self.size)):
                for at, data in self._stretch(begin, end, buffer):
                    self._put(at, data)
        except BaseException:
            os.close(self._file)
            raise
        self._thread.start()

    def wait(self, seconds: float) -> bool:
        """Whether it has ended, after at most this many seconds."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def result(self) -> str:
        """The SHA-256 of the file, hexadecimal, once it is complete.

        Raises `NotPlain` when the recording is shorter than its index says, `NoSpace`, `SourceUnavailable`.
        """
        self._thread.join()
        if self._failure is not None:
            raise self._failure
        return self._digest.hexdigest()

    def when_complete(self, call: Callable[[], None]) -> None:
        """Call this once it is complete: now, or in the writing thread. Not if that fails."""
        with self._lock:
            if not self._complete:
                self._then = call
                return
        call()

    def _completed(self) -> None:
        with self._lock:
            self._complete = True
        if self._then is not None:
            self._then()

    def _write_all(self) -> None:
        buffer = memoryview(bytearray(_STEP))
        begun = 0
        try:
            for at, data in self._stretch(0, self.size, buffer):
                self._put(at, data)
                self._digest.update(data)
                self._watch(at, data)
                self.left -= len(data)
                end = at + len(data)
                if end - begun >= _WRITE_BACK or not self.left:
                    start_write_back(self._file, begun, end - begun)
                    begun = end
            self._completed()
        except Exception as error:  # noqa: BLE001 - the thread's root: raised again by `result`
            self._failure = error
        finally:
            os.close(self._file)

    def _stretch(self, begin: int, end: int, buffer: memoryview) -> Iterator[tuple[int, memoryview]]:
        """What stands from `begin` to `end`, in steps; `buffer` is used again for each."""
        for segment in self._segments:
            at, stop = max(begin, segment.at), min(end, segment.at + segment.size)
            while at < stop:
                within = at - segment.at
                if segment.data is not None:
                    data = memoryview(segment.data)[within : stop - segment.at]
                else:
                    size = min(len(buffer), stop - at)
                    data = buffer[: _read(self._source, buffer[:size], segment.offset + within)]
                yield at, data
                at += len(data)

    def _put(self, at: int, data: memoryview) -> None:
        with _room():
            while data:
                written = os.pwrite(self._file, data, at)
                at, data = at + written, data[written:]


@dataclass(frozen=True)
class _Segment:
    at: int
    size: int
    data: bytes | None
    """None: from the recording."""
    offset: int


@contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if out_of_space(error):
            raise NoSpace(FULL) from error
        raise


def _read(source: int, buffer: memoryview, offset: int) -> int:
    try:
        got = os.preadv(source, [buffer], offset)
    except OSError as error:
        raise SourceUnavailable(f"the recording can't be read now: {error.strerror}") from error
    if got == 0:
        raise NotPlain("it is shorter than its index says")
    return got
