"""The newest catalogue that can be had in time: read on demand, in a thread of its own."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass

from api.catalog.reader import Reader
from api.catalog.view import View
from api.cluster.coordination import Coordination
from clipping.clock import Clock
from clipping.errors import CatalogUnavailable, CoordinationUnavailable, StoreUnavailable
from clipping.log import get_logger

log = get_logger(__name__)

FRESH_SECONDS = 3.0
"""How long a catalogue is used before it is looked for a newer one."""
STALE_SECONDS = 60.0
"""How long one is used while the store does not answer."""
WAIT_SECONDS, BRIEF_SECONDS = 8.0, 1.0
"""How long a caller waits for the catalogue; for a newer one than the last, which can still be used."""
AGENTS_SECONDS = 10.0
"""How old the list of agents may be."""


@dataclass(frozen=True)
class _Read:
    view: View
    at: float


class Catalogue:
    """Thread-safe."""

    def __init__(self, coordination: Coordination, reader: Reader, clock: Clock) -> None:
        self._coordination, self._reader, self._clock = coordination, reader, clock
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="catalog")
        self._reading: Future[_Read] | None = None
        self._newest: _Read | None = None

    def now(self) -> View:
        """The catalogue, at most some seconds old; while the store does not answer, at most a minute.

        Raises `CatalogUnavailable`.
        """
        with self._lock:
            newest, wait = self._newest, WAIT_SECONDS
            if newest is not None and self._age(newest) < STALE_SECONDS:
                wait = BRIEF_SECONDS
            if newest is not None and self._age(newest) < FRESH_SECONDS:
                return newest.view
            if self._reading is None or self._reading.done():
                self._reading = self._thread.submit(self._read)
            reading = self._reading
        try:
            return reading.result(wait).view
        except FutureTimeout:
            reason = "the store does not answer in time"
        except (StoreUnavailable, CoordinationUnavailable) as error:
            reason = error.message
        if newest is not None and self._age(newest) < STALE_SECONDS:
            return newest.view
        log.warning("catalog.unreadable", reason=reason)
        raise CatalogUnavailable(f"the catalogue of recordings can't be read now: {reason}")

    def close(self) -> None:
        """Stop reading. Does not wait for a hanging call."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _read(self) -> _Read:
        at = self._clock.monotonic()
        agents = self._coordination.recent(AGENTS_SECONDS).agents
        self._newest = read = _Read(self._reader.read(agent.agent_id for agent in agents), at)
        return read

    def _age(self, read: _Read) -> float:
        return self._clock.monotonic() - read.at
