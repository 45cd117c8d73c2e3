"""How far a clip's sound is from its picture, held against the recording. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.measure.look import Sound
from bench.measure.ticks import find_ticks

_WINDOW = 0.4
"""Seconds of sound that are held against the recording at once."""
_REACH = 0.4
"""Seconds to both sides in which they are looked for."""
_PLACES = 9
_LIKE = 0.6
"""Correlation from which two sounds are the same."""
_AUDIBLE = 1e-3


@dataclass(frozen=True)
class Hearing:
    """One sound track of the clip. Milliseconds; positive when the sound comes late."""

    off: float | None
    """The worst; None where there is nothing to hold on to (silence, hum)."""
    missing: float
    """The longest piece of sound that the clip lacks while its picture is shown, and the recording has."""
    over: float
    """Sound after the picture is over."""


def hear(
    source: Sound, clip: Sound | None, offset: float, span: tuple[float, float, float], *, ticking: bool
) -> Hearing:
    """`offset`: the recording's time at the clip's 0, by its pictures. `span`: the times there of the first
    picture shown, of the last sound that must be heard, and of the end of the last picture."""
    begin, due, end = span
    first, last = max(begin, source.start), min(due, source.end)
    if clip is None:
        return Hearing(None, max(0.0, last - first) * 1000, 0.0)
    starts, ends = clip.start + offset, clip.end + offset
    missing = max(starts - first, last - ends, clip.hole - source.hole, 0.0)
    offs = _by_ticks(source, clip, offset) if ticking else _by_likeness(source, clip, offset)
    off = max(offs, key=abs, default=None)
    return Hearing(None if off is None else off * 1000, missing * 1000, (ends - end) * 1000)


def _by_ticks(source: Sound, clip: Sound, offset: float) -> list[float]:
    known = np.array([source.start + at for at in find_ticks(source.samples, source.rate)])
    if not len(known):
        return []
    heard = [clip.start + offset + at for at in find_ticks(clip.samples, clip.rate)]
    return [float(at - known[np.abs(known - at).argmin()]) for at in heard]


def _by_likeness(source: Sound, clip: Sound, offset: float) -> list[float]:
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


def _lag(piece: NDArray[np.float32], rate: int, source: Sound, expected: float) -> float | None:
    """Seconds from `expected` to where the recording has this piece; None when it has it nowhere near."""
    around = np.arange(expected - _REACH, expected + _REACH + len(piece) / rate, 1 / rate)
    grid = source.start + np.arange(len(source.samples)) / source.rate
    there = np.interp(around, grid, source.samples, left=0, right=0)
    likeness = _likeness(there, piece.astype(np.float64))
    peaks = np.flatnonzero(likeness >= max(_LIKE, 0.97 * float(likeness.max())))
    if not len(peaks):
        return None
    inner = [p for p in peaks if likeness[p] == likeness[max(0, p - 2) : p + 3].max()]
    # Of several places that sound the same, as in music, the nearest is believed.
    best = min(inner or list(peaks), key=lambda p: abs(float(around[p]) - expected))
    # The clip has the piece at `expected`, the recording at `around[best]`: late when that is less.
    return expected - float(around[best])


def _likeness(there: NDArray[np.float64], piece: NDArray[np.float64]) -> NDArray[np.float64]:
    piece = piece - piece.mean()
    size = 1 << (len(there) + len(piece)).bit_length()
    product = np.fft.irfft(np.fft.rfft(there, size) * np.conj(np.fft.rfft(piece, size)), size)
    count = len(there) - len(piece) + 1
    energy = np.cumsum(np.concatenate([[0.0], there**2]))
    loud = np.sqrt(np.maximum(energy[len(piece) :] - energy[: -len(piece)], 1e-9))[:count]
    return np.asarray(product[:count] / loud / (np.linalg.norm(piece) + 1e-9))
