"""Has the kernel read a file ahead of one who reads only a little of it here and there."""

from __future__ import annotations

import os

_WINDOW = 1 << 20
"""Bytes ahead, at least."""
_STEP = 128 << 10
"""Bytes that one call asks for: Linux reads no more for each than its own usual window."""


class ReadAhead:
    """From a place on: of reads with gaps between them, each would wait for the disk or the NAS."""

    def __init__(self, descriptor: int, begin: int) -> None:
        self._descriptor = descriptor
        self._asked = begin

    def reached(self, at: int) -> int:
        """Reading has come to `at`; the place from which on to call this again."""
        while self._asked < at + _WINDOW:
            if not self._in_memory(self._asked):
                for part in range(self._asked, self._asked + _WINDOW, _STEP):
                    os.posix_fadvise(self._descriptor, part, _STEP, os.POSIX_FADV_WILLNEED)
            self._asked += _WINDOW
        return self._asked - _WINDOW + 1

    def _in_memory(self, at: int) -> bool:
        try:
            os.preadv(self._descriptor, [bytearray(1)], at, os.RWF_NOWAIT)
        except OSError:
            return False  # it is not, or the file system does not say
        return True
