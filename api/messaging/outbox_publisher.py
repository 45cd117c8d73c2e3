"""Publishes the outbox in a thread, many messages in a call.

New messages are handed over in memory once they are committed. The table has those of a process that died,
and those that could not be published at first.

To publish a new kind of message, give its topic a `Sender` in the composition root, and write messages in
the transactions that they report.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from api.db import outbox
from api.db.engine import Database
from api.db.outbox import Message
from clipping.bus.publisher import Publisher
from clipping.clock import Clock
from clipping.errors import BusUnavailable, QueueUnavailable
from clipping.log import get_logger

NEW_LEASE_SECONDS = 5.0
"""How long the table's messages are left to the process that wrote them and has them in memory."""
NEW_PUBLISH_SECONDS = 2.0
SWEEP_PUBLISH_SECONDS = 5.0
LEASE_SECONDS = 30.0
"""How long claimed messages are left alone by other instances."""
BATCH = 100
"""The maximum number of messages in a call to Pub/Sub, and of a claim."""
CALL_BYTES = 5_000_000
"""The maximum size of a call with several messages: Pub/Sub accepts 10 MB."""
SMALL_BATCH = 8
"""The same after a failure: a message that Pub/Sub refuses fails those that are sent with it."""
GAP_SECONDS = 0.02
"""The minimum time between two calls, in which messages are collected: a call costs as much as 50 messages
in it."""
SETTLE_SECONDS = 0.25
"""How long published messages are collected before they are removed in one transaction."""
POLL_SECONDS = 1.0
"""How often the thread looks for messages without being woken: those of a process that died."""
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


@dataclass(frozen=True)
class Lease:
    """How long new messages are left to the process that writes them."""

    due: datetime
    """When the table's messages are due: for any process."""
    until: float
    """The same by the monotonic clock."""


class OutboxPublisher:
    """Owns the thread `outbox`. All other methods are for any thread.

    Topics are independent of each other: one that is down delays the others by one attempt at a time.
    """

    def __init__(self, database: Database, senders: Mapping[str, Sender], clock: Clock) -> None:
        """`senders`, by topic. Messages of any other topic stay in the outbox."""
        self._database = database
        self._senders = senders
        self._clock = clock
        self._lock = threading.Lock()
        self._new: list[tuple[Lease, Sequence[Message]]] = []
        self._published: list[int] = []
        self._up = dict.fromkeys(senders, True)
        self._sweep_at = self._settle_at = 0.0
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)

    def is_up(self, topic: str) -> bool:
        """Whether the topic's last publish succeeded."""
        return self._up[topic]

    def lease(self, topic: str) -> Lease:
        """For messages that are committed now and then handed to `publish_soon`.

        Without that (a crash in between), the thread of any instance publishes them when they are due. Those
        of a topic that is known to be down are due at once.
        """
        seconds = NEW_LEASE_SECONDS if self._up[topic] else 0.0
        return Lease(self._clock.now() + timedelta(seconds=seconds), self._clock.monotonic() + seconds)

    def publish_soon(self, messages: Sequence[Message], lease: Lease) -> None:
        """Publish committed messages from memory. Does not wait."""
        if not messages:
            return
        with self._lock:
            self._new.append((lease, messages))
        self._wake.set()

    def wake(self) -> None:
        """Publish what is due."""
        self._sweep_at = 0.0
        self._wake.set()

    def start(self) -> None:
        """Start the thread, which first publishes what an earlier process left."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Publish what is in memory and end. What is then in the outbox stays there for the next start."""
        self._stopping.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._turn()
            self._stopping.wait(GAP_SECONDS)
            self._wake.wait(max(0.0, self._next_at() - time.monotonic()))
            self._wake.clear()
        self._turn(last=True)

    def _next_at(self) -> float:
        return min(self._sweep_at, self._settle_at) if self._published else self._sweep_at

    def _turn(self, *, last: bool = False) -> None:
        """Do what is due, by the monotonic clock."""
        try:
            self._publish_new()
            if self._published and (last or time.monotonic() >= self._settle_at):
                self._remove_published()
            if not last and time.monotonic() >= self._sweep_at:
                self._sweep_at = time.monotonic() + POLL_SECONDS
                if self._sweep():
                    self._sweep_at = 0.0
        except QueueUnavailable as error:
            log.warning("outbox.database_away", reason=error.message, cause=str(error.__cause__ or ""))
            self._sweep_at = self._settle_at = time.monotonic() + POLL_SECONDS
        except Exception:  # top of the thread: one failure must not stop the outbox
            log.exception("outbox.turn_failed")
            self._sweep_at = self._settle_at = time.monotonic() + POLL_SECONDS

    def _publish_new(self) -> None:
        """Publish from memory. What fails, or would be late, is left to `_sweep` once it is due."""
        with self._lock:
            new, self._new = self._new, []
        by_topic: dict[str, list[tuple[Lease, Message]]] = {}
        for lease, messages in new:
            for message in messages:
                by_topic.setdefault(message.topic, []).append((lease, message))
        for topic, held in by_topic.items():
            self._publish_held(topic, held)

    def _publish_held(self, topic: str, held: list[tuple[Lease, Message]]) -> None:
        while self._up[topic]:
            ends_by = self._clock.monotonic() + NEW_PUBLISH_SECONDS
            held = [(lease, message) for lease, message in held if lease.until >= ends_by]
            batch = next(in_calls([message for _, message in held], BATCH), ())
            if not batch or not self._send(batch, NEW_PUBLISH_SECONDS):
                return
            if not self._published:
                self._settle_at = time.monotonic() + SETTLE_SECONDS
            self._published += [message.id for message in batch]
            held = held[len(batch) :]

    def _remove_published(self) -> None:
        with self._database.transaction() as connection:
            outbox.remove(connection, self._published)
        self._published = []

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
        sent, most = 0, BATCH
        while sent < len(messages) and not self._stopping.is_set() and self._clock.monotonic() <= give_up:
            # One at a time after a failure: a message that Pub/Sub refuses would fail the others as well.
            batch = next(in_calls(messages[sent:], most if self._up[topic] else 1))
            if self._send(batch, SWEEP_PUBLISH_SECONDS):
                sent += len(batch)
            elif len(batch) == 1:
                break
            else:
                most = SMALL_BATCH
        self._settle(messages, sent)
        return sent == len(messages) == BATCH

    def _settle(self, messages: Sequence[Message], sent: int) -> None:
        failed, untried = messages[sent : sent + 1], messages[sent + 1 :]
        now = self._clock.now()
        with self._database.write() as session:
            outbox.remove(session.connection(), [message.id for message in messages[:sent]])
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


def in_calls(messages: Sequence[Message], most: int) -> Iterator[Sequence[Message]]:
    """Divide messages of a topic into calls of at most `most` messages and `CALL_BYTES`, in their order."""
    batch: list[Message] = []
    size = 0
    for message in messages:
        if batch and (len(batch) == most or size + len(message.payload) > CALL_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(message)
        size += len(message.payload)
    if batch:
        yield batch


def _backoff(attempts: int) -> float:
    return min(LONGEST_BACKOFF, 0.5 * 2.0 ** min(attempts, 10)) * random.uniform(0.8, 1.2)
