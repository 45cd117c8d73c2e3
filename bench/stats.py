"""The statistics' cost over many requests, on SQLite and on PostgreSQL.

    python -m bench.stats [--rows N] [--repeats N]

The requests are spread evenly over 30 days and four owners, with reports and specs as long as real ones. Each
figure is the median of the repeats, with the database's pages in memory. `count` is the control: the number
of requests in the period.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from api.db import schema, stats
from api.db.engine import Database
from api.db.tables import Clip, table_of
from tests.support.postgres import PostgresServer, find_programs

OWNERS = ("web", "ops", "night", "guest")
DAY = timedelta(days=1)
_BLOCK = 1000


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.stats",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rows", type=int, default=100_000, metavar="N")
    parser.add_argument("--repeats", type=int, default=7, metavar="N")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-stats-") as folder, ExitStack() as stack:
        urls = {"SQLite": f"sqlite:///{folder}/clips.db"}
        if (programs := find_programs()) is not None:
            urls["PostgreSQL"] = stack.enter_context(PostgresServer(programs)).database()
        print("| database | caller | period | count | stats | timeseries |\n|---|---|---|---|---|---|")
        for name, url in urls.items():
            database = Database(url, connections=2)
            schema.migrate(database)
            now = datetime.now(UTC)
            fill(database, options.rows, now)
            measure(database, name, now, options.repeats)
            database.close()
    return 0


def fill(database: Database, rows: int, now: datetime) -> None:
    """Insert the requests, and let PostgreSQL count them."""
    chance = random.Random(19)
    for first in range(0, rows, _BLOCK):
        block = [row(number, rows, now, chance) for number in range(first, min(first + _BLOCK, rows))]
        with database.write() as session:
            session.execute(insert(table_of(Clip)), block)
    if database.engine.dialect.name == "postgresql":
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE requests")


def row(number: int, rows: int, now: datetime, chance: random.Random) -> dict[str, Any]:
    """One request, most of them completed."""
    at = now - 30 * DAY * (1 - number / rows)
    status = chance.choices(["completed", "failed", "cancelled"], [96, 3, 1])[0]
    done = status == "completed"
    return {
        "request_id": f"clip-20261120-{number:012d}",
        "owner": OWNERS[number % len(OWNERS)],
        "kind": "clip",
        "hand_id": f"hand-{number}",
        "mode": chance.choices(["copy", "smart", "encode"], [6, 3, 1])[0],
        "lane": "interactive",
        "spec": {"nas_video_path": "/mnt/nas/2026/" + "x" * 200},
        "short": False,
        "revision": 3,
        "status": status,
        "attempt": 1,
        "epoch": 1,
        "seq": 9,
        "resumed_count": 0,
        "created_at": at,
        "last_sign_at": at,
        "lost_count": 0,
        "completed_at": at,
        "completion": json.dumps({"report": "x" * 1500}),
        "processing_time_seconds": chance.lognormvariate(0, 1) if done else None,
        "file_size_bytes": chance.randrange(10**6, 10**8) if done else None,
    }


def measure(database: Database, name: str, now: datetime, repeats: int) -> None:
    """Print a line for each caller and period."""
    for caller, owner in (("admin", None), ("one of 4", OWNERS[0])):
        for period, days in (("24h", 1), ("7d", 7), ("30d", 30)):
            since = now - days * DAY
            width = timedelta(hours=1) if days == 1 else DAY
            cells = [
                f"{median(database, question, repeats) * 1000:.1f} ms"
                for question in questions(owner, since, width)
            ]
            print(f"| {name} | {caller} | {period} | {' | '.join(cells)} |", flush=True)


def questions(owner: str | None, since: datetime, width: timedelta) -> Iterator[Callable[[Session], object]]:
    """Of one line."""
    wanted = [Clip.created_at >= since, *([Clip.owner == owner] if owner else [])]
    yield lambda session: session.scalar(select(func.count()).select_from(Clip).where(*wanted))
    yield lambda session: stats.totals(session, owner=owner, since=since)
    yield lambda session: stats.over_time(session, owner=owner, since=since, origin=since, width=width)


def median(database: Database, question: Callable[[Session], object], repeats: int) -> float:
    """Seconds."""
    times = []
    for _ in range(repeats):
        with database.read() as session:
            begin = time.perf_counter()
            question(session)
            times.append(time.perf_counter() - begin)
    return statistics.median(times)


if __name__ == "__main__":
    raise SystemExit(main())
