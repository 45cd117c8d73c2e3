"""Generates audio that ticks at every whole second, and finds the ticks in a recording. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

_HERTZ = 2000
_TICK_SECONDS = 0.010


def ticking(seconds: float, rate: int) -> Samples:
    """Mono samples from -1 to 1: a tick at 0, 1, 2 … s over low noise."""
    samples = 0.003 * np.random.default_rng(1).standard_normal(int(seconds * rate))
    tick = 0.8 * np.sin(_phase(rate)) * np.hanning(len(_phase(rate)))
    for second in range(int(seconds)):
        samples[second * rate : second * rate + len(tick)] += tick
    return samples.astype(np.float32)


def find_ticks(samples: Samples, rate: int) -> list[float]:
    """The start of each tick, in seconds from the first sample."""
    phase = _phase(rate)
    if len(samples) < len(phase):
        return []
    window = np.hanning(len(phase))
    strength = np.hypot(
        _correlated(samples, np.sin(phase) * window), _correlated(samples, np.cos(phase) * window)
    )
    loud = 0.4 * 0.8 * float((window**2).sum()) / 2
    found: list[float] = []
    at = 0
    while len(over := np.flatnonzero(strength[at:] > loud)):
        begin = at + int(over[0])
        peak = begin + int(strength[begin : begin + rate // 4].argmax())
        found.append(peak / rate)
        at = peak + rate // 2
    return found


def _phase(rate: int) -> NDArray[np.float64]:
    return 2 * np.pi * _HERTZ * np.arange(int(_TICK_SECONDS * rate)) / rate


def _correlated(samples: Samples, pattern: NDArray[np.float64]) -> NDArray[np.float64]:
    size = 1 << (len(samples) + len(pattern)).bit_length()
    product = np.fft.rfft(samples, size) * np.conj(np.fft.rfft(pattern, size))
    return np.fft.irfft(product, size)[: len(samples) - len(pattern) + 1]
