"""The operations on the data on disk. Each is one transaction."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from embedded.broker.storage import schema
from embedded.broker.storage.schema import ACKED, LEASED, WAITING
from embedded.broker.storage.writer import Writer

Result = TypeVar("Result")

_SWEEP_ROWS = 5000
"""Rows deleted by one step of a cleanup, so that publishers wait only milliseconds."""


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message of a subscription's backlog; `available_at` in microseconds since 1970."""

    seq: int
    leased: bool
    attempts: int
    available_at: int
    body: bytes


@dataclass(frozen=True, slots=True)
class DeliveryState:
    """The persisted state of an unacknowledged message; `available_at` as in StoredMessage."""

    seq: int
    leased: bool
    attempts: int
    available_at: int


@dataclass(frozen=True, slots=True)
class StoredTopic:
    """A topic's row; `config` is a serialized google.pubsub.v1.Topic."""

    id: int
    config: bytes


@dataclass(frozen=True, slots=True)
class StoredSubscription:
    """A subscription's row; `topic` is None once it is deleted; `config` is a serialized Subscription."""

    id: int
    topic: int | None
    config: bytes


class Storage:
    """Writes through the group-committing writer; reads on a separate thread and connection."""

    def __init__(self, folder: Path, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._writer = Writer(schema.connect(folder), loop)
        self._reads = schema.connect(folder)
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="broker-reader")

    def close(self) -> None:
        """Finish all writes. Blocks."""
        self._reader.shutdown(wait=True)
        self._reads.close()
        self._writer.close()

    # Topics and subscriptions

    def all_topics(self) -> list[StoredTopic]:
        """Used at the start. Blocks."""
        return [StoredTopic(*row) for row in self._reads.execute("SELECT id, config FROM topics")]

    def all_subscriptions(self) -> list[StoredSubscription]:
        """Used at the start. Blocks."""
        rows = self._reads.execute("SELECT id, topic, config FROM subscriptions")
        return [StoredSubscription(*row) for row in rows]

    def high_water(self) -> int:
        """The highest seq ever assigned. Blocks."""
        (seq,) = self._reads.execute("SELECT seq FROM high_water").fetchone()
        return int(seq)

    def add_topic(self, name: str, config: bytes) -> asyncio.Future[int]:
        """Add a topic. Returns its id."""

        def change(db: sqlite3.Connection) -> int:
            cursor = db.execute("INSERT INTO topics (name, config) VALUES (?, ?)", (name, config))
            return int(cursor.lastrowid or 0)

        return self._writer.submit(change)

    def set_topic(self, topic: int, config: bytes) -> asyncio.Future[None]:
        """Replace the topic's configuration."""
        return self._execute("UPDATE topics SET config = ? WHERE id = ?", (config, topic))

    def delete_topic(self, topic: int, orphans: Sequence[tuple[int, bytes]]) -> asyncio.Future[None]:
        """Delete a topic. `orphans` are its subscriptions' ids with their new configurations."""

        def change(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM topics WHERE id = ?", (topic,))
            db.executemany(
                "UPDATE subscriptions SET topic = NULL, config = ? WHERE id = ?",
                [(config, subscription) for subscription, config in orphans],
            )

        return self._writer.submit(change)

    def add_subscription(self, name: str, topic: int, config: bytes) -> asyncio.Future[int]:
        """Add a subscription. Returns its id."""

        def change(db: sqlite3.Connection) -> int:
            cursor = db.execute(
                "INSERT INTO subscriptions (name, topic, config) VALUES (?, ?, ?)", (name, topic, config)
            )
            return int(cursor.lastrowid or 0)

        return self._writer.submit(change)

    def set_subscription(self, subscription: int, config: bytes) -> asyncio.Future[None]:
        """Replace the subscription's configuration."""
        return self._execute("UPDATE subscriptions SET config = ? WHERE id = ?", (config, subscription))

    def delete_subscription(self, subscription: int) -> asyncio.Future[None]:
        """Delete a subscription and its backlog."""

        def change(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM subscriptions WHERE id = ?", (subscription,))
            db.execute("DELETE FROM backlog WHERE subscription = ?", (subscription,))

        return self._writer.submit(change)

    def detach_subscription(self, subscription: int, config: bytes) -> asyncio.Future[None]:
        """Detach a subscription from its topic and drop its backlog."""

        def change(db: sqlite3.Connection) -> None:
            db.execute(
                "UPDATE subscriptions SET topic = NULL, config = ? WHERE id = ?", (config, subscription)
            )
            db.execute("DELETE FROM backlog WHERE subscription = ?", (subscription,))

        return self._writer.submit(change)

    # Messages

    def publish(
        self, messages: Sequence[tuple[int, bytes]], deliveries: Sequence[tuple[int, int]]
    ) -> asyncio.Future[None]:
        """Store messages (seq, body) and deliveries (seq, subscription). Seqs increase from call to call."""
        return self._writer.submit(lambda db: _publish(db, messages, deliveries))

    def forward(
        self, message: tuple[int, bytes], deliveries: Sequence[tuple[int, int]], source: tuple[int, int]
    ) -> asyncio.Future[None]:
        """Publish a dead letter and remove its `source` (subscription, seq) from its backlog, in one
        transaction."""

        def change(db: sqlite3.Connection) -> None:
            _publish(db, [message], deliveries)
            _acknowledge(db, source[0], [source[1]], retain=False)

        return self._writer.submit(change)

    def acknowledge(self, subscription: int, seqs: Sequence[int], *, retain: bool) -> asyncio.Future[None]:
        """Remove messages from a backlog. `retain` keeps them for a later seek."""
        return self._writer.submit(lambda db: _acknowledge(db, subscription, seqs, retain=retain))

    def remember(self, subscription: int, states: Sequence[DeliveryState]) -> asyncio.Future[None]:
        """Store leases, attempts and backoffs, so that they survive a restart."""
        rows = [
            (LEASED if s.leased else WAITING, s.attempts, s.available_at, s.seq, subscription) for s in states
        ]

        def change(db: sqlite3.Connection) -> None:
            db.executemany(
                "UPDATE backlog SET state = ?, attempts = ?, available_at = ?"
                f" WHERE seq = ? AND subscription = ? AND state <> {ACKED}",
                rows,
            )

        return self._writer.submit(change)

    def seek(self, subscription: int, seq: int, *, retain: bool) -> asyncio.Future[None]:
        """Acknowledge all messages before `seq`, and make retained messages from `seq` on undelivered
        again."""

        def change(db: sqlite3.Connection) -> None:
            if retain:
                db.execute(
                    f"UPDATE backlog SET state = {ACKED} WHERE subscription = ? AND seq < ?",
                    (subscription, seq),
                )
            else:
                db.execute("DELETE FROM backlog WHERE subscription = ? AND seq < ?", (subscription, seq))
            db.execute(
                f"UPDATE backlog SET state = {WAITING}, attempts = 0, available_at = 0"
                f" WHERE subscription = ? AND seq >= ? AND state = {ACKED}",
                (subscription, seq),
            )

        return self._writer.submit(change)

    def forget_acknowledged(self, subscription: int) -> asyncio.Future[None]:
        """Drop the retained messages of a subscription that no longer retains them."""
        return self._execute(
            f"DELETE FROM backlog WHERE subscription = ? AND state = {ACKED}", (subscription,)
        )

    # Cleanup

    def expire(self, subscription: int, before: int) -> asyncio.Future[int]:
        """Drop one step of the backlog before seq `before`. Returns the number of dropped rows."""

        def change(db: sqlite3.Connection) -> int:
            cursor = db.execute(
                "DELETE FROM backlog WHERE subscription = ?1 AND seq IN"
                " (SELECT seq FROM backlog WHERE seq < ?2 AND subscription = ?1 ORDER BY seq LIMIT ?3)",
                (subscription, before, _SWEEP_ROWS),
            )
            return cursor.rowcount

        return self._writer.submit(change)

    async def drop_orphans(self) -> int:
        """Delete messages that are in no backlog, in steps, and release free pages."""
        dropped = 0
        while seqs := await self._read(_orphans):
            orphans = [(seq, seq) for (seq,) in seqs]
            await self._writer.submit(lambda db, rows=orphans: db.executemany(_DROP_UNHELD, rows))  # type: ignore[misc]
            dropped += len(orphans)
        await self._execute("PRAGMA incremental_vacuum(2000)", ())
        return dropped

    # Reading

    async def load(
        self, subscription: int, after: int, *, max_messages: int, max_bytes: int
    ) -> tuple[list[StoredMessage], bool]:
        """The unacknowledged messages after seq `after`, oldest first, and whether these are all."""

        def read(db: sqlite3.Connection) -> tuple[list[StoredMessage], bool]:
            rows: list[StoredMessage] = []
            size = 0
            cursor = db.execute(
                "SELECT seq, state, attempts, available_at, body FROM backlog JOIN messages USING (seq)"
                f" WHERE subscription = ? AND seq > ? AND state <> {ACKED} ORDER BY seq",
                (subscription, after),
            )
            for seq, state, attempts, available_at, body in cursor:
                rows.append(StoredMessage(seq, state == LEASED, attempts, available_at, body))
                size += len(body)
                if len(rows) == max_messages or size >= max_bytes:
                    cursor.close()
                    return rows, False
            return rows, True

        return await self._read(read)

    async def bodies(self, seqs: Iterable[int]) -> dict[int, bytes]:
        """The bodies of the messages that still exist, by seq."""
        wanted = list(seqs)

        def read(db: sqlite3.Connection) -> dict[int, bytes]:
            found: dict[int, bytes] = {}
            for seq in wanted:
                row = db.execute("SELECT body FROM messages WHERE seq = ?", (seq,)).fetchone()
                if row is not None:
                    found[seq] = row[0]
            return found

        return await self._read(read)

    def _execute(self, statement: str, values: tuple[object, ...]) -> asyncio.Future[None]:
        def change(db: sqlite3.Connection) -> None:
            db.execute(statement, values).fetchall()

        return self._writer.submit(change)

    async def _read(self, read: Callable[[sqlite3.Connection], Result]) -> Result:
        return await self._loop.run_in_executor(self._reader, read, self._reads)


_DROP_UNHELD = "DELETE FROM messages WHERE seq = ? AND NOT EXISTS (SELECT 1 FROM backlog WHERE seq = ?)"


def _publish(
    db: sqlite3.Connection, messages: Sequence[tuple[int, bytes]], deliveries: Sequence[tuple[int, int]]
) -> None:
    if deliveries:
        held = {seq for seq, _ in deliveries}
        db.executemany(
            "INSERT INTO messages (seq, body) VALUES (?, ?)", [m for m in messages if m[0] in held]
        )
        db.executemany("INSERT INTO backlog (seq, subscription) VALUES (?, ?)", deliveries)
    db.execute("UPDATE high_water SET seq = ?", (messages[-1][0],))


def _acknowledge(db: sqlite3.Connection, subscription: int, seqs: Sequence[int], *, retain: bool) -> None:
    if retain:
        db.executemany(
            f"UPDATE backlog SET state = {ACKED} WHERE seq = ? AND subscription = ?",
            [(seq, subscription) for seq in seqs],
        )
        return
    db.executemany(
        "DELETE FROM backlog WHERE seq = ? AND subscription = ?", [(seq, subscription) for seq in seqs]
    )
    db.executemany(_DROP_UNHELD, [(seq, seq) for seq in seqs])


def _orphans(db: sqlite3.Connection) -> list[tuple[int]]:
    return db.execute(
        "SELECT seq FROM messages m WHERE NOT EXISTS (SELECT 1 FROM backlog b WHERE b.seq = m.seq) LIMIT ?",
        (_SWEEP_ROWS,),
    ).fetchall()
