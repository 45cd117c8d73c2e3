"""From the outbox to Pub/Sub: at once for the caller who waits, and by a sweeper for what was left."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from api.db import outbox
from api.db.engine import Database
from api.db.outbox import Entry
from clipping.bus.publisher import Publisher
from clipping.clock import Clock
from clipping.errors import BusUnavailable, QueueUnavailable
from clipping.log import get_logger

INLINE_SECONDS = 1.0
"""How long a caller waits for Pub/Sub. After that the sweeper goes on, and the answer is the same."""
SWEEP_PUBLISH_SECONDS = 5.0
LEASE_SECONDS = 30.0
"""How long entries that somebody works on are left alone by the others."""
BATCH = 100
TOGETHER = 8
"""The most entries of a call to Pub/Sub, which takes 10 MB: each is smaller than a request's body."""
LOOK_SECONDS = 1.0
"""How often the sweeper looks for entries that nobody told it of: those of a process that died."""
SETTLE_SECONDS = 0.05
"""How long published entries are collected before they are removed in one transaction."""
LONGEST_BACKOFF = 10.0

log = get_logger(__name__)


class Dispatcher:
    """Publishes outbox entries. `add` and `publish` are for request threads, the rest is one thread's."""

    def __init__(self, database: Database, publisher: Publisher, topic: str, clock: Clock) -> None:
        self._database = database
        self._publisher = publisher
        self._topic = topic
        self._clock = clock
        self._lock = threading.Lock()
        self._published: list[str] = []
        self._bus_ok = True
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)

    @property
    def bus_ok(self) -> bool:
        """Whether the last publish worked."""
        return self._bus_ok

    def add(self, session: Session, entry: Entry, *, now: datetime, at_once: bool = False) -> None:
        """Write the entry in the caller's transaction; `publish` it when that is committed.

        `at_once`: leave it to the sweeper from the start, and `wake` it.
        """
        # Without `publish` (a crash in between) the sweeper of any instance takes it after the lease.
        wait = LEASE_SECONDS / 6 if self._bus_ok and not at_once else 0.0
        outbox.add(session, entry, now=now, next_attempt_at=now + timedelta(seconds=wait))

    def publish(self, entry: Entry) -> bool:
        """Send the entry now if Pub/Sub is well. False: the sweeper will. Takes about a second at most."""
        if not self._bus_ok:
            # Nobody waits a second for a bus that is known to be away: the sweeper finds out when it is back.
            self._wake.set()
            return False
        if not self._send([entry], INLINE_SECONDS):
            return False
        with self._lock:
            self._published.append(entry.request_id)
        self._wake.set()
        return True

    def wake(self) -> None:
        """There is something due in the outbox."""
        self._wake.set()

    def start(self) -> None:
        """Begin to sweep, with what an earlier process left."""
        self._wake.set()
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """End after the publish in hand. What is still in the outbox stays there for the next start."""
        self._stopping.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def _run(self) -> None:
        while not self._stopping.is_set():
            if self._wake.wait(LOOK_SECONDS):
                self._stopping.wait(SETTLE_SECONDS)
                self._wake.clear()
            self._turn()
        self._turn()

    def _turn(self) -> None:
        try:
            self._remove_published()
            while not self._stopping.is_set() and self._sweep():
                pass
        except QueueUnavailable as error:
            log.warning("outbox.database_away", reason=error.message, cause=str(error.__cause__ or ""))
            self._stopping.wait(LOOK_SECONDS)
        except Exception:  # a thread's root: the outbox must go on whatever one turn ran into
            log.exception("outbox.turn_failed")
            self._stopping.wait(LOOK_SECONDS)

    def _remove_published(self) -> None:
        with self._lock:
            done, self._published = self._published, []
        if not done:
            return
        try:
            with self._database.write() as session:
                outbox.remove(session, done)
        except QueueUnavailable:
            with self._lock:
                self._published = done + self._published
            raise

    def _sweep(self) -> bool:
        """Publish one batch. True when there may be more that is due."""
        now = self._clock.now()
        with self._database.read() as session:
            if not outbox.any_due(session, now):
                return False
        with self._database.write() as session:
            until = now + timedelta(seconds=LEASE_SECONDS)
            entries = outbox.claim(session, now=now, until=until, limit=BATCH)
        give_up = self._clock.monotonic() + LEASE_SECONDS - SWEEP_PUBLISH_SECONDS
        sent = 0
        while sent < len(entries) and not self._stopping.is_set() and self._clock.monotonic() <= give_up:
            # By itself where there is trouble: one that Pub/Sub refuses would take the others with it.
            some = entries[sent : sent + (TOGETHER if self._bus_ok else 1)]
            if self._send(some, SWEEP_PUBLISH_SECONDS):
                sent += len(some)
            elif len(some) == 1:
                break
        self._settle(entries, sent)
        return sent == len(entries) == BATCH

    def _settle(self, entries: Sequence[Entry], sent: int) -> None:
        failed, untried = entries[sent : sent + 1], entries[sent + 1 :]
        now = self._clock.now()
        with self._database.write() as session:
            outbox.remove(session, [entry.request_id for entry in entries[:sent]])
            if failed:
                wait = _backoff(failed[0].attempts)
                outbox.postpone(session, failed, until=now + timedelta(seconds=wait), failed=True)
                # The others stand behind it only while the bus is away as a whole.
                outbox.postpone(session, untried, until=now + timedelta(seconds=LOOK_SECONDS), failed=False)
        if sent:
            log.info("outbox.swept", published=sent, left=len(entries) - sent)

    def _send(self, entries: Sequence[Entry], timeout: float) -> bool:
        messages = [(entry.data, entry.attributes) for entry in entries]
        try:
            self._publisher.publish_all(self._topic, messages, timeout_seconds=timeout)
        except BusUnavailable as error:
            if self._bus_ok:
                first = entries[0].request_id
                log.warning("outbox.bus", ok=False, reason=error.message, request_id=first, of=len(entries))
            self._bus_ok = False
            return False
        if not self._bus_ok:
            log.info("outbox.bus", ok=True)
        self._bus_ok = True
        return True


def _backoff(attempts: int) -> float:
    return min(LONGEST_BACKOFF, 0.5 * 2.0 ** min(attempts, 10)) * random.uniform(0.8, 1.2)
