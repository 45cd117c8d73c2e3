"""Sample tables as an MP4 file stores them (ISO/IEC 14496-12, 8.6 and 8.7), from plain lists of numbers."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

from agent.cutting.formats.mp4_tables import SampleTable


@dataclass(frozen=True)
class Samples:
    """The samples described by the tables."""

    durations: Sequence[int]
    shifts: Sequence[int] | None = None
    """Presentation minus decoding time; None: the file has no such table."""
    sizes: Sequence[int] | None = None
    """None: 10 bytes each, stored as one number."""
    chunks: Sequence[int] | None = None
    """Samples in each chunk; None: all in one."""
    chunk_offsets: Sequence[int] = field(default=(1000,))
    keys: Sequence[int] | None = None
    """Positions of the keyframes, from 0; None: the file has no such table."""
    wide: bool = False
    """Whether chunk offsets take 64 bits."""
    signed: bool = False
    """Whether `shifts` may be negative (version 1)."""

    @property
    def decoded(self) -> list[int]:
        """The decoding times."""
        return [sum(self.durations[:n]) for n in range(len(self.durations))]

    @property
    def shown(self) -> list[int]:
        """The presentation times."""
        shifts = [0] * len(self.durations) if self.shifts is None else self.shifts
        return [at + shift for at, shift in zip(self.decoded, shifts, strict=True)]

    def boxes(self) -> dict[str, memoryview]:
        """The contents of the boxes in `stbl`."""
        count = len(self.durations)
        found = {"stts": _pairs(self.durations, "I")}
        if self.shifts is not None:
            found["ctts"] = _pairs(self.shifts, "i", version=int(self.signed))
        each = b"" if self.sizes is None else b"".join(struct.pack(">I", size) for size in self.sizes)
        found["stsz"] = struct.pack(">III", 0, 10 if self.sizes is None else 0, count) + each
        runs = [(n + 1, many, 1) for n, many in enumerate(self.chunks or [count])]
        runs = [run for n, run in enumerate(runs) if n == 0 or runs[n - 1][1] != run[1]]
        found["stsc"] = _rows(runs, "III")
        offsets = [(offset,) for offset in self.chunk_offsets]
        found["co64" if self.wide else "stco"] = _rows(offsets, "Q" if self.wide else "I")
        if self.keys is not None:
            found["stss"] = _rows([(key + 1,) for key in self.keys], "I")
        return {name: memoryview(content) for name, content in found.items()}

    def table(self) -> SampleTable:
        """The parsed tables."""
        return SampleTable(self.boxes())


def _pairs(values: Sequence[int], kind: str, version: int = 0) -> bytes:
    rows: list[tuple[int, int]] = []
    for value in values:
        if rows and rows[-1][1] == value:
            rows[-1] = (rows[-1][0] + 1, value)
        else:
            rows.append((1, value))
    return _rows(rows, f"I{kind}", version)


def _rows(rows: Sequence[Sequence[int]], kind: str, version: int = 0) -> bytes:
    head = struct.pack(">B3xI", version, len(rows))
    return head + b"".join(struct.pack(f">{kind}", *row) for row in rows)
