"""Measures the A/V offset of a clip against its recording. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.measure.decode import Audio
from bench.measure.ticks import find_ticks

_WINDOW = 0.4
"""Length of the audio segment that is compared with the recording, in seconds."""
_REACH = 0.4
"""The segment is searched this many seconds before and after its expected time."""
_PLACES = 9
_CORRELATED = 0.6
"""Correlation from which two segments count as the same audio."""
_AUDIBLE = 1e-3


@dataclass(frozen=True)
class AudioSync:
    """One audio stream of the clip. Milliseconds; positive when the audio is late."""

    off: float | None
    """The largest offset; None where none can be measured (silence, hum)."""
    missing: float
    """The longest segment that the recording has and the clip lacks while its video is displayed."""
    over: float
    """Audio after the end of the video."""


def compare_audio(
    source: Audio, clip: Audio | None, offset: float, span: tuple[float, float, float], *, ticking: bool
) -> AudioSync:
    """Compare a clip's audio stream with the recording's.

    `offset`: the recording's time at the clip's time 0, from its frames. `span`: the recording's times of the
    first frame, of the end of the required audio, and of the end of the last frame.
    """
    begin, due, end = span
    first, last = max(begin, source.start), min(due, source.end)
    if clip is None:
        return AudioSync(None, max(0.0, last - first) * 1000, 0.0)
    starts, ends = clip.start + offset, clip.end + offset
    missing = max(starts - first, last - ends, clip.gap - source.gap, 0.0)
    offs = _by_ticks(source, clip, offset) if ticking else _by_correlation(source, clip, offset)
    off = max(offs, key=abs, default=None)
    return AudioSync(None if off is None else off * 1000, missing * 1000, (ends - end) * 1000)


def _by_ticks(source: Audio, clip: Audio, offset: float) -> list[float]:
    known = np.array([source.start + at for at in find_ticks(source.samples, source.rate)])
    if not len(known):
        return []
    ticks = [clip.start + offset + at for at in find_ticks(clip.samples, clip.rate)]
    return [float(at - known[np.abs(known - at).argmin()]) for at in ticks]


def _by_correlation(source: Audio, clip: Audio, offset: float) -> list[float]:
    length = int(_WINDOW * clip.rate)
    offs = []
    for share in np.linspace(0.02, 0.98, _PLACES):
        begin = int(share * len(clip.samples) - length / 2)
        begin = max(0, min(begin, len(clip.samples) - length))
        piece = clip.samples[begin : begin + length]
        if len(piece) < length or piece.std() < _AUDIBLE:
            continue
        expected = clip.start + begin / clip.rate + offset
        off = _lag(piece, clip.rate, source, expected)
        if off is not None:
            offs.append(off)
    return offs


def _lag(piece: NDArray[np.float32], rate: int, source: Audio, expected: float) -> float | None:
    """Seconds from `expected` to the segment's place in the recording; None when it is not found nearby."""
    around = np.arange(expected - _REACH, expected + _REACH + len(piece) / rate, 1 / rate)
    grid = source.start + np.arange(len(source.samples)) / source.rate
    there = np.interp(around, grid, source.samples, left=0, right=0)
    correlation = _correlation(there, piece.astype(np.float64))
    peaks = np.flatnonzero(correlation >= max(_CORRELATED, 0.97 * float(correlation.max())))
    if not len(peaks):
        return None
    inner = [p for p in peaks if correlation[p] == correlation[max(0, p - 2) : p + 3].max()]
    # Of several matches, as in music, take the nearest.
    best = min(inner or list(peaks), key=lambda p: abs(float(around[p]) - expected))
    # The segment is at `expected` in the clip and at `around[best]` in the recording: late when that is less.
    return expected - float(around[best])


def _correlation(there: NDArray[np.float64], piece: NDArray[np.float64]) -> NDArray[np.float64]:
    piece = piece - piece.mean()
    size = 1 << (len(there) + len(piece)).bit_length()
    product = np.fft.irfft(np.fft.rfft(there, size) * np.conj(np.fft.rfft(piece, size)), size)
    count = len(there) - len(piece) + 1
    energy = np.cumsum(np.concatenate([[0.0], there**2]))
    loud = np.sqrt(np.maximum(energy[len(piece) :] - energy[: -len(piece)], 1e-9))[:count]
    return np.asarray(product[:count] / loud / (np.linalg.norm(piece) + 1e-9))
