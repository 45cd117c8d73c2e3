"""How long a clip will take, judged by the last ones of its mode."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from statistics import median

from api.db import clips
from api.db.engine import Database
from clipping.clock import Clock
from clipping.messages import Mode

_GUESSED_RATIO: dict[Mode, float] = {"copy": 0.02, "smart": 0.03, "encode": 0.5}
"""Seconds of work for a second of clip, before there is any history."""
_FEWEST = 3
"""Fewer clips than that say nothing."""
_LEAST_SECONDS = 0.5
_HISTORY = 50
_FRESH_SECONDS = 10.0


def estimate_seconds(mode: Mode, length: float, history: Sequence[tuple[float, float]]) -> float:
    """Seconds of work for a clip of `length` seconds; `history` has (length, seconds of work) of others."""
    ratio = _GUESSED_RATIO[mode]
    if len(history) >= _FEWEST:
        ratio = median(work / other for other, work in history)
    return round(max(_LEAST_SECONDS, ratio * length), 1)


class Estimator:
    """Keeps each mode's history for a few seconds, as every request asks for it."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[Mode, tuple[float, Sequence[tuple[float, float]]]] = {}

    def estimate(self, mode: Mode, length: float) -> float:
        """Seconds of work for a clip of `length` seconds. Raises `QueueUnavailable`."""
        with self._lock:
            read_at, history = self._known.get(mode, (float("-inf"), ()))
        now = self._clock.monotonic()
        if now - read_at > _FRESH_SECONDS:
            with self._database.read() as session:
                history = clips.recent_work(session, mode, limit=_HISTORY)
            with self._lock:
                self._known[mode] = (now, history)
        return estimate_seconds(mode, length, history)
