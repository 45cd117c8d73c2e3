"""Detects cancelled clips: the API writes a marker to the store, which an agent behind a NAT can read."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from agent.work.inflight import InFlight
from agent.work.job import Job
from agent.work.job_state import State
from clipping.contract.cluster import cancel_key
from clipping.errors import StoreUnavailable
from clipping.log import get_logger
from clipping.store.port import Store

log = get_logger(__name__)

INTERVAL_SECONDS = 1.0
DEFERRED_AT_ONCE = 5
"""How many deferred clips are checked each time: there may be a thousand."""
CLOSE_SECONDS = 5.0
_CANCELLABLE = frozenset({State.RUNNING, State.DEFERRED})


class Cancels:
    """Checks the clips in flight, and a few deferred ones, once a second. Owns the thread `cancels`.

    An unavailable store only delays a cancellation: the check is repeated until the clip is done.
    """

    def __init__(
        self, store: Store, in_flight: InFlight, deferred: Callable[[], Sequence[Job]] = tuple
    ) -> None:
        self._store = store
        self._in_flight = in_flight
        self._deferred = deferred
        self._turn = 0
        self._stop = threading.Event()
        self._trouble = False
        self._thread = threading.Thread(target=self._run, name="cancels", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(CLOSE_SECONDS)

    def asked(self, request_id: str) -> bool:
        """Whether the caller has cancelled this request. Raises `StoreUnavailable`."""
        return self._store.stat(cancel_key(request_id)) is not None

    def _run(self) -> None:
        while not self._stop.wait(INTERVAL_SECONDS):
            try:
                self._look()
            except StoreUnavailable as error:
                if not self._trouble:
                    log.warning("cancels.unseen", error=error.message)
                self._trouble = True
            else:
                self._trouble = False

    def _look(self) -> None:
        for job in [*self._in_flight.jobs(), *self._some_deferred()]:
            if job.state in _CANCELLABLE and self.asked(job.request_id):
                log.info("clip.cancel_seen", request_id=job.request_id, stage=job.stage)
                job.cancel()

    def _some_deferred(self) -> list[Job]:
        jobs = self._deferred()
        count = min(len(jobs), DEFERRED_AT_ONCE)
        some = [jobs[(self._turn + number) % len(jobs)] for number in range(count)]
        self._turn += count
        return some
