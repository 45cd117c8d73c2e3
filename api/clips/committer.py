"""Group commit: one thread commits the calls of all request threads, several in a transaction.

A transaction costs more than the rows in it, and its commit waits for the disk. While one is committed, the
next calls queue up and share the next one. A call returns after its transaction is durable.

If a group can't be written because of one of its calls, each call gets a transaction of its own.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy.exc import DBAPIError

from api.clips.group import Answer, Call
from api.clips.transaction import write_group
from api.db.engine import WAIT_SECONDS, Database
from api.db.outbox import REQUESTS
from api.domain.retention import Retention
from api.messaging.outbox_publisher import OutboxPublisher
from clipping.clock import Clock
from clipping.errors import QueueUnavailable
from clipping.log import get_logger

MOST_WAITING = 512
"""Calls that may wait for the thread. More than a process has threads by default."""
GROUP_ROWS = 256
"""A group is complete with this many requests, so that none waits long for those of large batches."""
MOST_FAILURES = 2
COMMIT_SECONDS = 30.0
"""How long a call waits for its transaction, which the database's time limits end earlier."""
TOO_BUSY = "the database is too busy to accept the request: try again in a moment"
STOPPING = "the service is shutting down: try again in a moment"

log = get_logger(__name__)


@dataclass(eq=False)
class _Waiting:
    """A call whose thread waits. `ended` is held until there is an outcome."""

    call: Call
    ended: threading.Lock = field(default_factory=threading.Lock)
    outcome: Answer | Exception | None = None

    def __post_init__(self) -> None:
        self.ended.acquire()

    def end(self, outcome: Answer | Exception) -> None:
        """Wake the call's thread."""
        self.outcome = outcome
        self.ended.release()


class Committer:
    """Owns the thread `committer`."""

    def __init__(
        self,
        database: Database,
        outbox: OutboxPublisher,
        clock: Clock,
        *,
        shorts_per_day: int,
        retention: Retention,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._clock = clock
        self._shorts_per_day = shorts_per_day
        self._retention = retention
        self._most_waiting = most_waiting
        self._changed = threading.Condition()
        self._queue: deque[_Waiting] = deque()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="committer", daemon=True)

    @property
    def waiting(self) -> int:
        """The number of calls that wait for the next transaction."""
        return len(self._queue)

    @property
    def stopping(self) -> bool:
        """Whether new calls are refused."""
        return self._stopping

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Refuse new calls, and commit those that wait."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def commit(self, call: Call) -> Answer:
        """Store a call's requests; returns once they are durable.

        Raises the call's `RequestError`, `IdempotencyConflict` or `QueueUnavailable`. After the last one,
        the requests may be stored nevertheless if the database failed to confirm that.
        """
        waiting = _Waiting(call)
        with self._changed:
            if self._stopping:
                raise QueueUnavailable(STOPPING)
            if len(self._queue) >= self._most_waiting:
                raise QueueUnavailable(TOO_BUSY)
            self._queue.append(waiting)
            self._changed.notify()
        if not waiting.ended.acquire(timeout=WAIT_SECONDS):
            if self._withdraw(waiting):
                raise QueueUnavailable(TOO_BUSY)
            if not waiting.ended.acquire(timeout=COMMIT_SECONDS):
                raise QueueUnavailable("the database does not answer: try again in a moment")
        if isinstance(waiting.outcome, Answer):
            return waiting.outcome
        assert waiting.outcome is not None, "set before `ended` is released"
        raise waiting.outcome

    def _withdraw(self, waiting: _Waiting) -> bool:
        """False when the thread has taken it."""
        with self._changed:
            try:
                self._queue.remove(waiting)
            except ValueError:
                return False
            return True

    def _run(self) -> None:
        while group := self._next():
            self._commit(group)

    def _next(self) -> list[_Waiting]:
        """The calls that wait, up to a limit; empty at the end."""
        group: list[_Waiting] = []
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._stopping)
            rows = 0
            while self._queue and (not group or rows + len(self._queue[0].call.requests) <= GROUP_ROWS):
                group.append(self._queue.popleft())
                rows += len(group[-1].call.requests)
        return group

    def _commit(self, group: Sequence[_Waiting]) -> None:
        try:
            outcomes = self._attempt([waiting.call for waiting in group])
        except _NotWritten as error:
            log.warning("committer.split", calls=len(group), reason=str(error.__cause__))
            self._commit_apart(group)
        except QueueUnavailable as error:
            for waiting in group:
                waiting.end(_unavailable(error))
        except Exception as error:  # a bug, which its call reports
            log.exception("committer.failed", calls=len(group))
            for waiting in group:
                waiting.end(error)
        else:
            for waiting, outcome in zip(group, outcomes, strict=True):
                waiting.end(outcome)

    def _commit_apart(self, group: Sequence[_Waiting]) -> None:
        """Give each call a transaction of its own.

        Those that may wait for another process's lock come last, and are refused after some have waited in
        vain, as all other calls wait meanwhile.
        """
        failures = 0
        for waiting in sorted(group, key=lambda each: each.call.may_wait):
            if failures == MOST_FAILURES:
                waiting.end(QueueUnavailable(TOO_BUSY))
                continue
            self._commit([waiting])
            failures += isinstance(waiting.outcome, QueueUnavailable)

    def _attempt(self, calls: Sequence[Call]) -> Sequence[Answer | Exception]:
        """Commit the calls in one transaction. Raises `QueueUnavailable`, or `_NotWritten` for several."""
        lease = self._outbox.lease(REQUESTS)
        now = self._clock.now()
        with self._database.transaction() as connection:
            try:
                decision, messages = write_group(
                    connection,
                    calls,
                    shorts_per_day=self._shorts_per_day,
                    retention=self._retention,
                    now=now,
                    due=lease.due,
                )
            except Exception as error:
                gone = isinstance(error, DBAPIError) and error.connection_invalidated
                if gone or len(calls) == 1:
                    raise
                raise _NotWritten from error
        self._outbox.publish_soon(messages, lease)
        return decision.outcomes


class _NotWritten(Exception):
    """The calls can't be written together; nothing is committed."""


def _unavailable(error: QueueUnavailable) -> QueueUnavailable:
    """A copy: each is raised in a thread of its own."""
    copy = QueueUnavailable(error.message)
    copy.__cause__ = error.__cause__
    return copy
