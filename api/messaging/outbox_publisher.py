"""Publishes the outbox: inline for the waiting caller, and in a thread for all other messages.

To publish a new kind of message, give its topic a `Sender` in the composition root, and `add` messages in the
transactions that they report.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy.orm import Session

from api.db import outbox
from api.db.engine import Database
from api.db.outbox import Message
from clipping.bus.publisher import Publisher
from clipping.clock import Clock
from clipping.errors import BusUnavailable, QueueUnavailable
from clipping.log import get_logger

INLINE_SECONDS = 1.0
"""How long a caller waits for a publish. After that the thread continues, and the response is the same."""
INLINE_LEASE_SECONDS = 5.0
"""How long the thread leaves a new message to the caller that wrote it."""
SWEEP_PUBLISH_SECONDS = 5.0
LEASE_SECONDS = 30.0
"""How long claimed messages are left alone by other instances."""
BATCH = 100
CALL_BATCH = 8
"""The maximum number of messages in a call to Pub/Sub, which accepts 10 MB: each is smaller than a request's
body."""
POLL_SECONDS = 1.0
"""How often the thread looks for messages without being woken: those of a process that died."""
SETTLE_SECONDS = 0.05
"""How long published messages are collected before they are removed in one transaction."""
LONGEST_BACKOFF = 10.0

log = get_logger(__name__)


class Sender(Protocol):
    """Publishes messages of one topic."""

    def __call__(self, messages: Sequence[Message], timeout_seconds: float) -> None:
        """Publish all of them; returns once that is confirmed. Raises `BusUnavailable`."""


def to_pubsub(publisher: Publisher, topic: str) -> Sender:
    """Publishes to a topic of Pub/Sub."""

    def send(messages: Sequence[Message], timeout_seconds: float) -> None:
        content = [(message.payload, message.attributes) for message in messages]
        publisher.publish_all(topic, content, timeout_seconds=timeout_seconds)

    return send


class OutboxPublisher:
    """Adds messages to the outbox and publishes them, by topic. `add` and `publish` are for request threads.

    Topics are independent of each other: one that is down delays the others by one attempt at a time.
    """

    def __init__(self, database: Database, senders: Mapping[str, Sender], clock: Clock) -> None:
        """`senders`, by topic. Messages of any other topic stay in the outbox."""
        self._database = database
        self._senders = senders
        self._clock = clock
        self._lock = threading.Lock()
        self._published: list[int] = []
        self._up = dict.fromkeys(senders, True)
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)

    def is_up(self, topic: str) -> bool:
        """Whether the topic's last publish succeeded."""
        return self._up[topic]

    def add(
        self,
        session: Session,
        topic: str,
        key: str,
        payload: bytes,
        *,
        attributes: Mapping[str, str],
        now: datetime,
        deferred: bool = False,
    ) -> Message:
        """Write a message in the caller's transaction; `publish` it once that is committed.

        `deferred`: leave it to the thread instead, and `wake` that after the commit.
        """
        # Without `publish` (a crash in between) the thread of any instance takes it after the lease.
        lease = INLINE_LEASE_SECONDS if self._up[topic] and not deferred else 0.0
        due = now + timedelta(seconds=lease)
        return outbox.add(session, topic, key, payload, attributes=attributes, now=now, next_attempt_at=due)

    def publish(self, message: Message) -> bool:
        """Publish a committed message now, within about a second. False: the thread will, later."""
        # No caller waits a second for a topic that is known to be down: the thread finds out when it is up.
        sent = self._up[message.topic] and self._send([message], INLINE_SECONDS)
        if sent:
            with self._lock:
                self._published.append(message.id)
        self._wake.set()
        return sent

    def wake(self) -> None:
        """Let the thread publish what is due."""
        self._wake.set()

    def start(self) -> None:
        """Start the thread, which first publishes what an earlier process left."""
        self._wake.set()
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """End after the publish in flight. What is still in the outbox stays there for the next start."""
        self._stopping.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def _run(self) -> None:
        while not self._stopping.is_set():
            if self._wake.wait(POLL_SECONDS):
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
            self._stopping.wait(POLL_SECONDS)
        except Exception:  # top of the thread: one failure must not stop the outbox
            log.exception("outbox.turn_failed")
            self._stopping.wait(POLL_SECONDS)

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
        """Publish a batch of each topic. True when there may be more that is due."""
        now = self._clock.now()
        with self._database.read() as session:
            due = [topic for topic in self._senders if outbox.any_due(session, topic, now)]
        more = [self._sweep_topic(topic) for topic in due]
        return any(more)

    def _sweep_topic(self, topic: str) -> bool:
        """Publish a batch. True when there may be more that is due."""
        now = self._clock.now()
        with self._database.write() as session:
            until = now + timedelta(seconds=LEASE_SECONDS)
            messages = outbox.claim(session, topic, now=now, until=until, limit=BATCH)
        give_up = self._clock.monotonic() + LEASE_SECONDS - SWEEP_PUBLISH_SECONDS
        sent = 0
        while sent < len(messages) and not self._stopping.is_set() and self._clock.monotonic() <= give_up:
            # One at a time after a failure: a message that Pub/Sub refuses would fail the others as well.
            batch = messages[sent : sent + (CALL_BATCH if self._up[topic] else 1)]
            if self._send(batch, SWEEP_PUBLISH_SECONDS):
                sent += len(batch)
            elif len(batch) == 1:
                break
        self._settle(messages, sent)
        return sent == len(messages) == BATCH

    def _settle(self, messages: Sequence[Message], sent: int) -> None:
        failed, untried = messages[sent : sent + 1], messages[sent + 1 :]
        now = self._clock.now()
        with self._database.write() as session:
            outbox.remove(session, [message.id for message in messages[:sent]])
            if failed:
                wait = _backoff(failed[0].attempts)
                outbox.postpone(session, failed, until=now + timedelta(seconds=wait), failed=True)
                # The others wait behind it only while the topic as a whole is down.
                outbox.postpone(session, untried, until=now + timedelta(seconds=POLL_SECONDS), failed=False)
        if sent:
            log.info("outbox.swept", topic=messages[0].topic, published=sent, left=len(messages) - sent)

    def _send(self, messages: Sequence[Message], timeout: float) -> bool:
        """Publish messages of one topic."""
        topic = messages[0].topic
        try:
            self._senders[topic](messages, timeout)
        except BusUnavailable as error:
            if self._up[topic]:
                log.warning(
                    "outbox.down",
                    topic=topic,
                    key=messages[0].key,
                    of=len(messages),
                    reason=error.message,
                )
            self._up[topic] = False
            return False
        if not self._up[topic]:
            log.info("outbox.up", topic=topic)
        self._up[topic] = True
        return True


def _backoff(attempts: int) -> float:
    return min(LONGEST_BACKOFF, 0.5 * 2.0 ** min(attempts, 10)) * random.uniform(0.8, 1.2)
