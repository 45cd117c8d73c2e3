"""A file out of pieces of another: its header, and a stretch from its middle."""

from __future__ import annotations

import os
from collections.abc import Sequence

from clipping.errors import SourceUnavailable


class Splice:
    """Reads like a file, as far as libavformat needs that. Close it when done with it."""

    def __init__(self, path: str | os.PathLike[str], pieces: Sequence[tuple[int, int]]) -> None:
        """`pieces`: where each begins and ends in the file."""
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._pieces = [(start, end) for start, end in pieces if end > start]
        self._size = sum(end - start for start, end in self._pieces)
        self._at = 0

    def read(self, size: int) -> bytes:
        """At most `size` bytes; none at the end. Raises `SourceUnavailable`."""
        start, length = self._place(self._at)
        try:
            data = os.pread(self._file, min(size, length), start)
        except OSError as error:
            raise SourceUnavailable(f"The recording can't be read now: {error.strerror}.") from error
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As a file's."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        """As a file's."""
        return self._at

    def close(self) -> None:
        """As a file's."""
        os.close(self._file)

    def _place(self, at: int) -> tuple[int, int]:
        """Where a byte lies in the file, and how many follow it there."""
        for start, end in self._pieces:
            if at < end - start:
                return start + at, end - start - at
            at -= end - start
        return 0, 0
