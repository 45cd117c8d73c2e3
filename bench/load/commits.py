"""Bare database commits, each flushed to the disk: the upper bound of any request that is stored."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import psycopg

from bench.load.http import Answers

ROW = "x" * 300
"""About as long as a request."""

Commit = Callable[[], object]
"""Inserts a row and commits."""


def sqlite_commits(folder: Path, *, seconds: float) -> Answers:
    """The commits of one connection: SQLite allows one writer at a time.

    Each commit flushes the write-ahead log. The API flushes the same file once for several requests.
    """
    connection = sqlite3.connect(folder / "commits.db", isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE bare (row TEXT)")
    try:
        insert = "INSERT INTO bare VALUES (?)"
        return _at_full_speed([partial(connection.execute, insert, (ROW,))], seconds)
    finally:
        connection.close()


def postgres_commits(url: str, *, seconds: float, connections: int = 16) -> Answers:
    """The commits of several connections, with the server's settings."""
    opened = [
        psycopg.connect(url.replace("+psycopg", ""), autocommit=True, prepare_threshold=1)
        for _ in range(connections)
    ]
    opened[0].execute("CREATE TABLE bare (row text)")
    try:
        insert = "INSERT INTO bare VALUES (%s)"
        return _at_full_speed([partial(each.execute, insert, (ROW,)) for each in opened], seconds)
    finally:
        opened[0].execute("DROP TABLE bare")
        for each in opened:
            each.close()


def _at_full_speed(commits: Sequence[Commit], seconds: float) -> Answers:
    """Each repeats in its own thread, as soon as the previous one is complete."""
    answers = Answers()
    begin = time.perf_counter()

    def repeat(commit: Commit) -> None:
        while (sent := time.perf_counter()) - begin < seconds:
            commit()
            answers.latencies.append(time.perf_counter() - sent)

    with ThreadPoolExecutor(len(commits)) as pool:
        list(pool.map(repeat, commits))
    answers.seconds = time.perf_counter() - begin
    return answers
