"""Connections and transactions. SQLite and PostgreSQL behave alike behind `Database`."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    IntegrityError,
    NoSuchModuleError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from api.db.durable import SharedFlush
from clipping.errors import ConfigurationError, QueueUnavailable

WAIT_SECONDS = 3.0
"""How long a request waits for a connection, a lock or a busy SQLite file before it fails."""
STATEMENT_SECONDS = 5
"""PostgreSQL's statement timeout."""
MIGRATION_SECONDS = 600
"""The same for a migration, and for the wait for another process's migration."""


class Database:
    """Short transactions. Every method raises `QueueUnavailable` when the database fails."""

    def __init__(self, url: str, *, connections: int) -> None:
        """`connections` is the maximum number of connections. Raises `ConfigurationError` for an invalid
        URL."""
        self.engine = _engine(url, connections)
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        self._writer = self.engine.execution_options(begin="BEGIN IMMEDIATE")
        # SQLite has one writer at a time, for which others poll; threads of this process queue here instead.
        self._turn = threading.Lock() if self.is_sqlite else None
        self.log = SharedFlush(f"{self.engine.url.database}-wal") if self.is_sqlite else None

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A read-only session with a consistent snapshot of the database."""
        with _translated(), Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session whose changes are committed at the end of the block, or rolled back."""
        with _translated(), self._my_turn(), Session(self._writer, expire_on_commit=False) as session:
            session.connection()  # begins the transaction before the block's first read
            yield session
            session.commit()
        if self.log is not None:
            _flush(self.log)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Like `write`, without the ORM. Nothing is durable before the end of the block."""
        with _translated(), self._my_turn(), self._writer.begin() as connection:
            yield connection
        if self.log is not None:
            _flush(self.log)

    @contextmanager
    def exclusive(self) -> Iterator[Connection]:
        """An exclusive transaction, also across processes. For migrations."""
        with _translated(), self._my_turn(), self._writer.begin() as connection:
            if not self.is_sqlite:
                # The second one waits for the first one, and a migration may rewrite a table.
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{MIGRATION_SECONDS}s'")
                connection.exec_driver_sql(f"SET LOCAL statement_timeout = '{MIGRATION_SECONDS}s'")
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7366251640)")
            yield connection

    def use_wal(self) -> None:
        """Enable SQLite's write-ahead log, so that reads do not wait for writes. The setting is
        persistent."""
        with _translated(), self.engine.connect().execution_options(begin="") as connection:
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")

    def close(self) -> None:
        """Close the pooled connections."""
        self.engine.dispose()

    @contextmanager
    def _my_turn(self) -> Iterator[None]:
        if self._turn is None:
            yield
            return
        if not self._turn.acquire(timeout=WAIT_SECONDS):
            raise QueueUnavailable("the database is too busy to accept the request: try again in a moment")
        try:
            yield
        finally:
            self._turn.release()


def is_locked(error: QueueUnavailable) -> bool:
    """Whether another process holds SQLite's write lock."""
    cause = error.__cause__
    origin = cause.orig if isinstance(cause, DBAPIError) else None
    if not isinstance(origin, sqlite3.OperationalError):
        return False
    return origin.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY  # without the extended code


def _flush(log: SharedFlush) -> None:
    try:
        log.wait()
    except OSError as error:
        raise QueueUnavailable("the database can't write to its disk: try again in a moment") from error


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (IntegrityError, ProgrammingError, DataError):
        raise  # a bug, not the database's state
    except (DBAPIError, PoolTimeout) as error:
        raise QueueUnavailable("the database does not answer: try again in a moment") from error


def _engine(url: str, connections: int) -> Engine:
    try:
        parsed = make_url(url)
        options: dict[str, Any] = {"pool_size": connections, "max_overflow": 0, "pool_timeout": WAIT_SECONDS}
        if parsed.get_backend_name() == "sqlite":
            if not parsed.database or parsed.database == ":memory:":
                raise ConfigurationError(["api.database_url: SQLite needs a file"])
            engine = create_engine(parsed, connect_args={"timeout": WAIT_SECONDS}, **options)
            event.listen(engine, "connect", _on_sqlite_connect)
            event.listen(engine, "begin", _on_sqlite_begin)
            return engine
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")  # SQLAlchemy's default driver varies
        # libpq's names; the pool checks a connection before use, as the server may have restarted.
        arguments = {
            "connect_timeout": int(WAIT_SECONDS),
            "options": f"-c statement_timeout={STATEMENT_SECONDS}s -c lock_timeout={int(WAIT_SECONDS)}s",
        }
        return create_engine(parsed, connect_args=arguments, pool_pre_ping=True, **options)
    except (ArgumentError, NoSuchModuleError):
        # The URL may contain a password: it is not printed.
        problem = "must look like sqlite:///FILE or postgresql+psycopg://…"
    except ModuleNotFoundError as error:
        problem = f"needs the Python package {error.name}"
    raise ConfigurationError([f"api.database_url: {problem}"])


def _on_sqlite_connect(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver would send BEGIN too late; it is sent below
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    # An accepted request must survive a power cut. The write-ahead log is flushed by `write`, for several at
    # once; without it each commit reaches the disk by itself.
    try:
        (mode,) = cursor.execute("PRAGMA journal_mode").fetchone()
    except sqlite3.Error:
        mode = "unknown"  # the next statement raises the error
    cursor.execute(f"PRAGMA synchronous = {'NORMAL' if mode == 'wal' else 'FULL'}")
    cursor.close()


def _on_sqlite_begin(connection: Connection) -> None:
    # A transaction that reads first and writes later fails at the write if another one wrote in between, so
    # writers lock at the start.
    if statement := connection.get_execution_options().get("begin", "BEGIN"):
        connection.exec_driver_sql(statement)
