"""The audio of a reel: raw samples of each part, mixed at the transitions.

All parts are converted to one format first, so that each begins with its video to the sample.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agent.cutting.reel.layout import Span

RATE, CHANNELS = 48_000, 2
_CHUNK = RATE
"""Samples that are mixed at once."""

Samples = NDArray[np.int16]
"""Shape (samples, channels)."""


def samples_at(seconds: Fraction) -> int:
    """How many samples come before a time of the reel."""
    return round(seconds * RATE)


@dataclass(frozen=True)
class PartAudio:
    """The audio of one part."""

    path: Path | None
    """Raw samples, 16 bits, little endian; None: it is silent."""
    begin: int
    """When it begins in the reel, in samples."""
    end: int
    rise: int
    """Over how many samples it becomes louder at its beginning."""
    fall: int
    """Over how many it becomes quieter at its end."""

    def between(self, begin: int, end: int) -> NDArray[np.float32]:
        """Its share of the reel's samples from `begin` to `end`; zeros where it has none."""
        mixed = np.zeros((end - begin, CHANNELS), np.float32)
        first, last = max(begin, self.begin), min(end, self.end)
        if self.path is None or first >= last:
            return mixed
        found = self._read(first - self.begin, last - first)
        at = np.arange(first, first + len(found))
        gain = np.ones(len(found), np.float32)
        if self.rise:
            gain *= np.clip((at - self.begin + 0.5) / self.rise, 0, 1).astype(np.float32)
        if self.fall:
            gain *= np.clip((self.end - at - 0.5) / self.fall, 0, 1).astype(np.float32)
        mixed[first - begin : first - begin + len(found)] = found * gain[:, None]
        return mixed

    def _read(self, first: int, count: int) -> Samples:
        assert self.path is not None
        width = CHANNELS * np.dtype(np.int16).itemsize
        with self.path.open("rb") as file:
            file.seek(first * width)
            data = file.read(count * width)
        whole = len(data) // width * width
        return np.frombuffer(data[:whole], "<i2").reshape(-1, CHANNELS)


def placed(paths: Sequence[Path | None], spans: Sequence[Span], ramp: Fraction) -> list[PartAudio]:
    """The parts' audio where their video is; `ramp`: seconds in which a transition changes the volume."""
    count, length = len(paths), samples_at(ramp)
    return [
        PartAudio(
            path,
            samples_at(span.start),
            samples_at(span.end),
            rise=length if index > 0 else 0,
            fall=length if index < count - 1 else 0,
        )
        for index, (path, span) in enumerate(zip(paths, spans, strict=True))
    ]


def mixed(parts: Sequence[PartAudio]) -> Iterator[bytes]:
    """The reel's samples, a second at a time."""
    end = parts[-1].end
    for begin in range(0, end, _CHUNK):
        stop = min(end, begin + _CHUNK)
        near = [part for part in parts if part.begin < stop and part.end > begin]
        total = np.zeros((stop - begin, CHANNELS), np.float32)
        for part in near:
            total += part.between(begin, stop)
        yield np.clip(np.rint(total), -32768, 32767).astype("<i2").tobytes()
