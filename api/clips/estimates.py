"""Estimates when a clip is ready, from the queue and the durations of the lane's last clips."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from api.db import queue
from api.db.engine import Database
from api.db.queue import Waiting, Worked
from clipping.clock import Clock
from clipping.contract.choices import Mode
from clipping.contract.messages import Lane

_GUESSED_RATIO: dict[Mode, float] = {"copy": 0.02, "smart": 0.03, "encode": 0.5}
"""Seconds of work for a second of clip, used without a history."""
_FEWEST = 3
"""The minimum number of clips for an estimate."""
_LEAST_SECONDS = 0.5
_HISTORY = 50
_FRESH_SECONDS = 10.0
_EXACT = 200
"""A longer queue is counted at most once a second: an exact position does not matter there."""
_COUNTED_SECONDS = 1.0


@dataclass(frozen=True)
class Estimate:
    """The estimate in the response to an accepted request."""

    ahead: int
    """The number of clips before it in its lane."""
    ready_seconds: float
    """Seconds until it is ready, including the wait."""


def work_seconds(mode: Mode, length: float, history: Sequence[Worked]) -> float:
    """Seconds of work for a clip of `length` seconds, from the median of others of its mode."""
    ratios = [
        worked.work / worked.length
        for worked in history
        if worked.mode == mode and worked.length and worked.work is not None
    ]
    ratio = median(ratios) if len(ratios) >= _FEWEST else _GUESSED_RATIO[mode]
    return round(max(_LEAST_SECONDS, ratio * length), 1)


def slots_seen(history: Sequence[Worked], now: datetime) -> int:
    """The maximum number of clips that were in progress at the same time; at least 1.

    A clip that starts at the moment when another one ends does not overlap it.
    """
    changes = [(worked.started_at, 1) for worked in history]
    changes += [(max(worked.started_at, worked.ended_at or now), -1) for worked in history]
    most = running = 0
    for _, change in sorted(changes):
        running += change
        most = max(most, running)
    return max(1, most)


def estimate(work: float, waiting: Waiting, slots: int) -> Estimate:
    """The total estimate. The queue is divided among the slots; a free slot starts the clip at once."""
    return Estimate(ahead=waiting.clips, ready_seconds=round(waiting.seconds / slots + work, 1))


class Estimator:
    """Caches each lane's history for a few seconds, as every request needs it."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._histories: dict[Lane, tuple[float, Sequence[Worked]]] = {}
        self._waiting: dict[Lane, tuple[float, Waiting]] = {}

    def work(self, mode: Mode, lane: Lane, length: float) -> float:
        """Seconds of work for a clip of `length` seconds. Raises `QueueUnavailable`."""
        return work_seconds(mode, length, self._history(lane))

    def estimate(self, lane: Lane, work: float) -> Estimate:
        """The estimate for a clip of `work` seconds that is queued now. Raises `QueueUnavailable`."""
        slots = slots_seen(self._history(lane), self._clock.now())
        return estimate(work, self._join(lane, work), slots)

    def _history(self, lane: Lane) -> Sequence[Worked]:
        now = self._clock.monotonic()
        with self._lock:
            read_at, history = self._histories.get(lane, (float("-inf"), ()))
        if now - read_at <= _FRESH_SECONDS:
            return history
        with self._database.read() as session:
            history = queue.recent_work(session, lane, limit=_HISTORY)
        with self._lock:
            self._histories[lane] = (now, history)
        return history

    def _join(self, lane: Lane, work: float) -> Waiting:
        """The queue before this clip, which is then counted until the queue is read again."""
        now = self._clock.monotonic()
        with self._lock:
            read_at, found = self._waiting.get(lane, (float("-inf"), None))
            if found is not None and found.clips >= _EXACT and now - read_at <= _COUNTED_SECONDS:
                self._waiting[lane] = (read_at, Waiting(found.clips + 1, found.seconds + work))
                return found
        with self._database.read() as session:
            found = queue.waiting(session, lane)
        with self._lock:
            self._waiting[lane] = (now, Waiting(found.clips + 1, found.seconds + work))
        return found
