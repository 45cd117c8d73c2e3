"""Reading ahead of reads with gaps between them."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import pytest

from agent.cutting.reading.ahead import ReadAhead

_MB = 1 << 20


class Asked:
    """Counts what the kernel is asked to read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.parts: list[tuple[int, int]] = []
        real = os.posix_fadvise

        def advise(descriptor: int, at: int, size: int, advice: int) -> None:
            if advice == os.POSIX_FADV_WILLNEED:
                self.parts.append((at, at + size))
            real(descriptor, at, size, advice)

        monkeypatch.setattr(os, "posix_fadvise", advise)


def test_what_is_not_in_memory_is_asked_for_once_and_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(6 * _MB))
    monkeypatch.setattr(ReadAhead, "_in_memory", lambda *_: False)  # what is, only the kernel decides
    asked = Asked(monkeypatch)
    with path.open("rb") as file:
        ahead = ReadAhead(file.fileno(), _MB)
        for at in range(_MB, 6 * _MB, 300_000):
            ahead.reached(at)
            assert any(begin <= at < end for begin, end in asked.parts)
    covered = sorted(asked.parts)
    assert covered[0][0] == _MB
    assert all(a[1] == b[0] for a, b in pairwise(covered))
    assert covered[-1][1] <= 8 * _MB


def test_nothing_is_asked_for_that_is_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(3 * _MB))
    asked = Asked(monkeypatch)
    with path.open("rb") as file:
        file.read()
        try:
            os.preadv(file.fileno(), [bytearray(1)], 0, os.RWF_NOWAIT)
        except OSError as error:
            pytest.skip(f"this file system does not say what is in memory: {error}")
        ReadAhead(file.fileno(), 0).reached(2 * _MB - 1)
    assert asked.parts == []
