"""The broker's tables, and opening connections to them.

A message's `seq` is its publish time in microseconds since 1970, made unique and increasing. The one integer
key is the message's id, and determines its order, its age (retention) and its position for seeks."""

from __future__ import annotations

import sqlite3
from pathlib import Path

FILE = "broker.sqlite3"
VERSION = 1

_BUSY_SECONDS = 30.0

WAITING, LEASED, ACKED = 0, 1, 2
"""`backlog.state`. ACKED rows exist only for subscriptions that retain acknowledged messages."""

_TABLES = """
CREATE TABLE topics (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    config BLOB NOT NULL
);
CREATE TABLE subscriptions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    topic INTEGER,
    config BLOB NOT NULL
);
CREATE TABLE messages (
    seq INTEGER PRIMARY KEY,
    body BLOB NOT NULL
);
CREATE TABLE backlog (
    seq INTEGER NOT NULL,
    subscription INTEGER NOT NULL,
    state INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    available_at INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (seq, subscription)
) WITHOUT ROWID;
CREATE TABLE high_water (seq INTEGER NOT NULL);
INSERT INTO high_water VALUES (0);
"""


class SchemaTooNew(Exception):
    """The data folder was written by a later version of the broker."""


def connect(folder: Path) -> sqlite3.Connection:
    """Open the database of a data folder and create missing tables. Raises SchemaTooNew.

    `synchronous=FULL`: every commit reaches the disk before its publishers get a response, so that a power
    loss does not lose confirmed messages. Group commits keep this cheap."""
    connection = sqlite3.connect(
        folder / FILE, isolation_level=None, check_same_thread=False, timeout=_BUSY_SECONDS
    )
    connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA journal_size_limit=67108864")
    connection.execute("PRAGMA cache_size=-16384")
    _create(connection)
    return connection


def _create(connection: sqlite3.Connection) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise SchemaTooNew(f"the data has schema version {version}; this broker knows up to {VERSION}")
    if version == 0:
        connection.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version={VERSION}; COMMIT;")
