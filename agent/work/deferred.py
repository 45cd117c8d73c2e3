"""Keeps clips during an outage, without occupying a slot or using up deliveries.

Pub/Sub counts every delivery that is given back and ends a request after `pubsub.max_delivery_attempts`.
While all roots, the disk or the store are unavailable, nothing is pulled (`checks.intake_trouble`). But a
request that an outage interrupts, or whose root alone is unavailable, would use up its deliveries within two
hours. So its message stays leased until the failed check passes, at most for `HOLD_SECONDS`.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.checks.checks import ENGINE, FFMPEG, NAS, SIGNING, SPOOL, STORE
from agent.work.job import Job
from agent.work.job_state import State
from agent.work.reporting import AttemptReporter
from clipping.bus.subscriber import Delivery
from clipping.clock import Clock
from clipping.config import NasRoot
from clipping.errors import (
    EngineUnavailable,
    NoSpace,
    SigningUnavailable,
    SourceUnavailable,
    StoreUnavailable,
    TransientError,
)
from clipping.log import get_logger
from health.page.snapshot import Check

log = get_logger(__name__)

HOLD_SECONDS = 3600.0
"""With 20 deliveries a request outlasts an outage of most of a day."""
MOST = 1000
"""Further ones are given back at once. Their leases are extended together, in one call."""
SIGN_SECONDS = 60.0
"""How often the API gets a report that the clip still waits: it would republish a silent one."""
LOOK_SECONDS = 0.5
CLOSE_SECONDS = 5.0


def cause(error: TransientError, paths: Sequence[str], roots: Sequence[NasRoot]) -> tuple[str, ...]:
    """The checks whose passing ends the outage that `error` is of; none when it is no outage. Pure.

    `paths`: the recordings that the error may be about.
    """
    match error:
        case SourceUnavailable():
            names = (_root_of(path, roots) for path in paths)
            return tuple(dict.fromkeys(NAS + name for name in names if name is not None))
        case NoSpace():
            return (SPOOL,)
        case StoreUnavailable():
            return (STORE,)
        case SigningUnavailable():
            return (SIGNING,)
        case EngineUnavailable():
            return FFMPEG, ENGINE
    return ()


def _root_of(path: str, roots: Sequence[NasRoot]) -> str | None:
    return next((root.path for root in roots if Path(path).is_relative_to(root.path)), None)


def is_over(names: Sequence[str], checks: Mapping[str, Check], since: float) -> bool:
    """Whether each check that still exists has passed after `since`. Pure."""
    known = [checks[name] for name in names if name in checks]
    return all(check.ok and check.at > since for check in known)


@dataclass
class _Deferral:
    delivery: Delivery
    job: Job
    report: AttemptReporter
    code: str
    names: tuple[str, ...]
    since: float
    signed: float


class Deferred:
    """Owns the thread `deferred`. Thread-safe."""

    def __init__(self, checks: Callable[[], Mapping[str, Check]], clock: Clock) -> None:
        self._checks, self._clock = checks, clock
        self._lock = threading.Lock()
        self._kept: dict[str, _Deferral] = {}
        """By message id, in the order of arrival."""
        self._give_back = False
        self._closed = threading.Event()
        self._beat = clock.monotonic()
        self._thread = threading.Thread(target=self._run, name="deferred", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Give all deliveries back, and end the thread."""
        self.give_back()
        self._closed.set()
        if self._thread.ident is not None:
            self._thread.join(CLOSE_SECONDS)

    def heartbeat_age(self) -> float:
        """Seconds since its loop last made progress."""
        return self._clock.monotonic() - self._beat

    def keep(
        self,
        delivery: Delivery,
        job: Job,
        error: TransientError,
        report: AttemptReporter,
        names: tuple[str, ...],
    ) -> bool:
        """Keep a delivery until the checks `names` pass; its job is deferred.

        False when it has to be given back now: the job is not deferred then, and may not have ended yet.
        """
        now = self._clock.monotonic()
        with self._lock:
            full = len(self._kept) >= MOST
            if not names or self._closed.is_set() or full or not job.defer():
                return False
            delivery.keep()
            self._kept[delivery.message_id] = _Deferral(delivery, job, report, error.code, names, now, now)
            self._give_back = False
        report.deferred(error)
        log.warning(
            "clip.deferred",
            request_id=job.request_id,
            attempt=delivery.attempt,
            code=error.code,
            error=error.message,
            until=", ".join(names),
        )
        return True

    def give_back(self) -> None:
        """Give all deliveries back soon: this agent must not work. Returns at once."""
        with self._lock:
            self._give_back = True

    def jobs(self) -> list[Job]:
        """The clips that wait."""
        with self._lock:
            return [one.job for one in self._kept.values()]

    def waiting(self) -> Mapping[str, int]:
        """How many clips wait, by the checks they wait for."""
        with self._lock:
            return Counter(", ".join(one.names) for one in self._kept.values())

    def _run(self) -> None:
        while not self._closed.wait(LOOK_SECONDS):
            self._look()
        self._look()

    def _look(self) -> None:
        self._beat = now = self._clock.monotonic()
        checks = self._checks()
        with self._lock:
            over = [one for one in self._kept.values() if self._is_over(one, checks, now)]
            for one in over:
                del self._kept[one.delivery.message_id]
            silent = [one for one in self._kept.values() if now - one.signed >= SIGN_SECONDS]
        for one in over:
            one.job.release()
            one.delivery.abandon()  # stop extending its lease, however long giving it back takes
        for one in silent:
            one.signed = now
            one.report.still_deferred()
        for one in over:
            self._beat = self._clock.monotonic()
            log.info(
                "clip.released",
                request_id=one.job.request_id,
                attempt=one.delivery.attempt,
                code=one.code,
                waited=self._beat - one.since,
            )
            one.delivery.release()

    def _is_over(self, one: _Deferral, checks: Mapping[str, Check], now: float) -> bool:
        asked = self._give_back or one.job.state is not State.DEFERRED
        return asked or now - one.since >= HOLD_SECONDS or is_over(one.names, checks, one.since)
