"""The writer thread: commits queued changes together and completes their futures after the commit."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from clipping.log import get_logger
from embedded.broker.refusals import Unavailable

log = get_logger(__name__)

Result = TypeVar("Result")
Change = Callable[[sqlite3.Connection], Result]
"""Statements to apply atomically. Runs on the writer's thread within a transaction."""

_MAX_BATCH = 1000
"""Maximum changes in one transaction. Bounds the effect of a failing commit."""

_MAX_WAITING = 20_000
"""Maximum changes in the queue. Every request waits for its change, so only thousands of clients reach it."""

_JOIN_SECONDS = 30.0

_Item = tuple[Change[Any], "asyncio.Future[Any]"]
_Settle = Callable[[list[_Item], list[Any]], None]


class Writer:
    """Owns a connection. Call `submit` on the loop's thread; changes are applied in order of submission."""

    def __init__(self, connection: sqlite3.Connection, loop: asyncio.AbstractEventLoop) -> None:
        self._connection = connection
        self._loop = loop
        self._queue: queue.Queue[_Item | None] = queue.Queue(_MAX_WAITING)
        self._thread = threading.Thread(target=self._run, name="broker-writer", daemon=True)
        self._thread.start()

    def submit(self, change: Change[Result]) -> asyncio.Future[Result]:
        """Queue a change. The future has its result once it is on disk; it raises Unavailable (queue full,
        disk)."""
        future: asyncio.Future[Result] = self._loop.create_future()
        try:
            self._queue.put_nowait((change, future))
        except queue.Full:
            future.set_exception(Unavailable("too many writes are queued; retry later"))
        return future

    def close(self) -> None:
        """Commit the queued changes and end the thread. Blocks."""
        self._queue.put(None)
        self._thread.join(_JOIN_SECONDS)
        self._connection.close()

    def _run(self) -> None:
        while True:
            batch, ended = self._collect()
            if batch:
                self._commit(batch)
            if ended:
                return

    def _collect(self) -> tuple[list[_Item], bool]:
        """The queued changes, or the next one if there are none; and whether the queue is closed."""
        batch: list[_Item] = []
        item = self._queue.get()
        while item is not None:
            batch.append(item)
            if len(batch) == _MAX_BATCH:
                return batch, False
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return batch, False
        return batch, True

    def _commit(self, batch: list[_Item]) -> None:
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            results = [change(connection) for change, _ in batch]
            connection.execute("COMMIT")
        except Exception as error:
            # Most likely a full or failing disk: nothing in this batch was applied, so fail all its changes.
            log.exception("broker.commit_failed", error=str(error), changes=len(batch))
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            failure = Unavailable(f"the broker's database can't be written: {error}")
            self._answer(_fail, batch, [failure] * len(batch))
            return
        self._answer(_settle, batch, results)

    def _answer(
        self, settle: Callable[[list[_Item], list[Any]], None], batch: list[_Item], results: list[Any]
    ) -> None:
        try:
            self._loop.call_soon_threadsafe(settle, batch, results)
        except RuntimeError:  # the loop is closed: no caller is waiting
            log.warning("broker.answer_lost")


def _settle(batch: list[_Item], results: list[Any]) -> None:
    for (_, future), result in zip(batch, results, strict=True):
        if not future.done():  # cancelled by its caller
            future.set_result(result)


def _fail(batch: list[_Item], errors: list[Any]) -> None:
    for (_, future), error in zip(batch, errors, strict=True):
        if not future.done():
            future.set_exception(error)
