"""Bare commits: each one is stored."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from bench.load.commits import ROW, sqlite_commits


def test_every_commit_is_counted(tmp_path: Path) -> None:
    answers = sqlite_commits(tmp_path, seconds=0.2)
    with sqlite3.connect(tmp_path / "commits.db") as database:
        rows = database.execute("SELECT row FROM bare").fetchall()
    assert rows == [(ROW,)] * len(answers.latencies)
    assert answers.rate > 0
