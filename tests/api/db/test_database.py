"""Transactions, and the schema's history."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import JSON, DateTime, TableClause, column, insert, inspect, select, table, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.types import TypeEngine

from api.db import clips, expiry, outbox, schema, upgrade
from api.db.engine import Database
from api.db.tables import Base
from clipping.contract.messages import ClipRequest, RequestMessage
from clipping.contract.reel import ReelMessage, ReelRequest
from clipping.errors import ConfigurationError, QueueUnavailable
from tests.api.messages import NOW, REEL_ID, REQUEST_ID, completed
from tests.support.imports import libraries_after
from tests.support.postgres import PostgresServer


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(database_url, connections=8)
    schema.migrate(made)
    yield made
    made.close()


def row(request_id: str = REQUEST_ID) -> RequestMessage:
    wanted = ClipRequest(hand_id="h", nas_video_path="/nas/a.mp4", start_seconds=1, end_seconds=2)
    return RequestMessage.of(wanted, request_id=request_id, owner="web", requested_at=NOW)


def test_migrations_lead_to_the_tables_of_the_models(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_the_latest_revision_is_that_of_the_last_migration() -> None:
    assert ScriptDirectory.from_config(upgrade.alembic_config()).get_heads() == [schema.latest()]


def test_a_current_schema_is_found_without_alembic(database: Database, database_url: str) -> None:
    program = (
        "from api.db import schema; from api.db.engine import Database; "
        f"found = Database({database_url!r}, connections=1); "
        "schema.migrate(found); schema.check(found); found.close()"
    )
    assert libraries_after(program) == {"sqlalchemy"}


def test_migrating_again_changes_nothing(database: Database) -> None:
    with database.write() as session:
        clips.add(session.connection(), [clips.row_of(row())])
    schema.migrate(database)
    schema.check(database)
    with database.read() as session:
        assert clips.find(session, REQUEST_ID) is not None


def test_processes_may_migrate_side_by_side(database_url: str) -> None:
    failures: list[Exception] = []

    def migrate() -> None:
        database = Database(database_url, connections=2)
        try:
            schema.migrate(database)
            schema.check(database)
        except QueueUnavailable as error:
            failures.append(error)
        finally:
            database.close()

    threads = [threading.Thread(target=migrate, name=f"migrate-{n}") for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []


def test_a_migration_that_fails_leaves_nothing(database_url: str) -> None:
    database = Database(database_url, connections=2)
    with database.write() as session:
        session.execute(text("CREATE TABLE parked_messages (x INTEGER)"))
    with pytest.raises((QueueUnavailable, ProgrammingError)):
        schema.migrate(database)
    assert inspect(database.engine).get_table_names() == ["parked_messages"]
    database.close()


def test_migrations_can_be_undone(database: Database) -> None:
    config = upgrade.alembic_config()
    with database.exclusive() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    assert inspect(database.engine).get_table_names() == ["alembic_version"]
    schema.migrate(database)
    schema.check(database)


def test_an_old_schema_is_named(database_url: str) -> None:
    database = Database(database_url, connections=2)
    with pytest.raises(ConfigurationError, match=r"at schema none.*clipping-api migrate"):
        schema.check(database)
    database.close()


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:///:memory:",
        "nonsense",
        "nodb://user:hunter2@host/db",
        "postgresql+nodriver://user:hunter2@host/db",
        "mysql+mysqldb://user:hunter2@host/db",
    ],
)
def test_a_bad_url_is_a_configuration_error_that_keeps_the_password(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"api\.database_url") as refused:
        Database(url, connections=1)
    assert "hunter2" not in str(refused.value)


def test_readers_read_while_one_writes(database: Database) -> None:
    with database.write() as session:
        clips.add(session.connection(), [clips.row_of(row())])
        with database.read() as reader:
            assert clips.find(reader, REQUEST_ID) is None
    with database.read() as reader:
        assert clips.find(reader, REQUEST_ID) is not None


def test_sqlite_flushes_its_log_before_a_commit_is_confirmed(tmp_path: Path) -> None:
    first = Database(f"sqlite:///{tmp_path}/clips.db", connections=2)
    schema.migrate(first)
    first.close()
    database = Database(f"sqlite:///{tmp_path}/clips.db", connections=2)
    with database.read() as session:
        pragmas = [session.scalar(text(f"PRAGMA {name}")) for name in ("journal_mode", "synchronous")]
    assert pragmas == ["wal", 1]
    assert database.log is not None
    for count in range(1, 4):
        with database.write() as session:
            clips.add(session.connection(), [clips.row_of(row(f"clip-20261120-{count:012d}"))])
        assert database.log.flushes == count
    database.close()


def test_sqlite_without_a_log_flushes_each_commit(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/clips.db", connections=2)
    with database.write() as session:
        assert session.scalar(text("PRAGMA synchronous")) == 2
        session.execute(text("CREATE TABLE x (x INTEGER)"))
    database.close()


def test_a_block_that_raises_writes_nothing(database: Database) -> None:
    def fail() -> None:
        with database.write() as session:
            clips.add(session.connection(), [clips.row_of(row())])
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    with database.read() as session:
        assert clips.find(session, REQUEST_ID) is None


def test_writers_of_many_threads_take_turns(database: Database) -> None:
    def work(number: int) -> None:
        for step in range(10):
            with database.write() as session:
                clips.add(session.connection(), [clips.row_of(row(f"clip-20261120-{number:06d}{step:06d}"))])

    threads = [threading.Thread(target=work, args=(n,), name=f"writer-{n}") for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    with database.read() as session:
        assert clips.count_queued(session) == 80
    if database.log is not None:
        assert 1 <= database.log.flushes <= 80


def test_a_row_locked_by_another_process_times_out(database: Database, database_url: str) -> None:
    with database.write() as session:
        clips.add(session.connection(), [clips.row_of(row())])
    other = Database(database_url, connections=1)
    with other.write() as first:
        clips.find(first, REQUEST_ID, for_update=True)
        with pytest.raises(QueueUnavailable), database.write() as second:
            clips.find(second, REQUEST_ID, for_update=True)
    other.close()


def test_a_server_that_was_killed_is_unavailable_until_it_is_back(postgres: PostgresServer) -> None:
    database = Database(postgres.database(), connections=2)
    schema.migrate(database)
    with database.write() as session:
        clips.add(session.connection(), [clips.row_of(row())])
    postgres.kill()
    try:
        with pytest.raises(QueueUnavailable), database.read() as session:
            clips.find(session, REQUEST_ID)
    finally:
        postgres.start()  # other tests have it too
    with database.read() as session:
        assert clips.find(session, REQUEST_ID) is not None
    database.close()


def test_a_file_that_is_not_a_database_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "clips.db").write_bytes(b"not a database" * 100)
    database = Database(f"sqlite:///{tmp_path}/clips.db", connections=1)
    with pytest.raises(QueueUnavailable), database.read() as session:
        clips.count_queued(session)
    database.close()


def test_times_are_returned_in_utc(database: Database) -> None:
    with database.write() as session:
        clips.add(session.connection(), [clips.row_of(row())])
    with database.read() as session:
        found = clips.find(session, REQUEST_ID)
    assert found is not None
    assert found.created_at == NOW
    assert found.created_at.tzinfo is NOW.tzinfo


def test_migrating_an_old_database_keeps_its_rows(database_url: str) -> None:
    database = Database(database_url, connections=2)
    config = upgrade.alembic_config()
    request = {
        "request_id": REQUEST_ID,
        "owner": "web",
        "hand_id": "hand-1",
        "mode": "copy",
        "lane": "interactive",
        "spec": {},
        "status": "completed",
        "attempt": 1,
        "epoch": 0,
        "seq": 0,
        "created_at": NOW,
        "updated_at": NOW,
        "completion": completed().to_json().decode(),
    }
    entry = {
        "request_id": REQUEST_ID,
        "data": b"x",
        "attributes": {},
        "created_at": NOW,
        "attempts": 0,
        "next_attempt_at": NOW,
    }
    with database.exclusive() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for table, values in (("requests", request), ("outbox", entry)):
            connection.execute(insert(table_of(table, values)).values(values))
    schema.migrate(database)
    with database.read() as session:
        found = clips.find(session, REQUEST_ID)
        assert found is not None
        assert (found.revision, found.resumed_count, found.lost_count, found.short) == (1, 0, 0, False)
        assert (found.last_sign_at, found.file_size_bytes) == (NOW, 1000)
        # Its object is older than anything that is kept, and is left for a week nevertheless.
        assert (found.folder, found.stored_at, found.deleted_at, found.link_url) == ("clips", NOW, None, None)
        assert found.delete_due_at is not None
        week = timedelta(days=7)
        assert abs(found.delete_due_at - datetime.now(UTC) - week) < timedelta(minutes=5)
        for after, claimed in ((week - timedelta(hours=1), 0), (week + timedelta(hours=1), 1)):
            at = datetime.now(UTC) + after
            assert expiry.is_any(session, {"clips": at}, now=at) == claimed
        assert outbox.backlog(session, outbox.REQUESTS) == outbox.Backlog(1, NOW)
    database.close()


def test_requests_in_an_old_outbox_are_carried_over_and_back(database_url: str) -> None:
    database = Database(database_url, connections=2)
    config = upgrade.alembic_config()
    ids = [f"clip-20261120-{number:012d}" for number in range(3)]
    entries = [
        {
            "request_id": request_id,
            "data": bytes([number, 0, 255]),
            "attributes": {"request_id": request_id, "lane": "batch"},
            # The last id is the oldest.
            "created_at": NOW - timedelta(seconds=number),
            "attempts": number,
            "next_attempt_at": NOW + timedelta(seconds=number),
        }
        for number, request_id in enumerate(ids)
    ]
    table = table_of("outbox", entries[0])
    with database.exclusive() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")
        for request_id in ids:
            columns = clip_columns(request_id)
            connection.execute(insert(table_of("requests", columns)).values(columns))
        for entry in entries:
            connection.execute(insert(table).values(entry))
    schema.migrate(database)

    later = NOW + timedelta(seconds=2)
    with database.write() as session:
        due = outbox.claim(session, outbox.REQUESTS, now=NOW, until=NOW, limit=10)
        assert [message.key for message in due] == ids[:1]
        found = outbox.claim(session, outbox.REQUESTS, now=later, until=later, limit=10)
        session.rollback()
    carried = [(m.key, m.payload, m.attributes, m.attempts) for m in found]
    assert carried == [(e["request_id"], e["data"], e["attributes"], e["attempts"]) for e in entries[::-1]]
    with database.write() as session:
        for topic, key in ((outbox.REQUESTS, "clip-unknown"), ("webhooks", ids[0])):
            outbox.add(session.connection(), [outbox.Entry(topic, key, b"x", {}, NOW)], due=NOW)

    with database.exclusive() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0003")
        rows = connection.execute(select(table).order_by(table.c.request_id)).mappings().all()
    assert [dict(row) | {"created_at": None, "next_attempt_at": None} for row in rows] == [
        entry | {"created_at": None, "next_attempt_at": None} for entry in entries
    ]
    database.close()


def test_reels_come_beside_the_clips_that_there_are(database_url: str) -> None:
    database = Database(database_url, connections=2)
    config = upgrade.alembic_config()
    with database.exclusive() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0004")
        columns = clip_columns(REQUEST_ID)
        connection.execute(insert(table_of("requests", columns)).values(columns))
    schema.migrate(database)
    parts = [{"nas_video_path": "/nas/a.mp4", "start_seconds": 0, "end_seconds": 1}]
    reel = ReelMessage.of(
        ReelRequest(reel_id="r", clips=parts), request_id=REEL_ID, owner="web", requested_at=NOW
    )
    with database.write() as session:
        clips.add(session.connection(), [clips.row_of(reel)])
        outbox.add(session.connection(), [outbox.Entry(outbox.REQUESTS, REEL_ID, b"x", {}, NOW)], due=NOW)
    with database.read() as session:
        kinds = {row.request_id: row.kind for row in clips.find_all(session, [REQUEST_ID, REEL_ID]).values()}
        found = clips.find(session, REEL_ID)
        assert found is not None
        assert clips.message_of(found) == reel
    assert kinds == {REQUEST_ID: "clip", REEL_ID: "reel"}

    with database.exclusive() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0004")
        assert connection.execute(text("SELECT request_id FROM requests")).scalars().all() == [REQUEST_ID]
        assert connection.execute(text("SELECT key FROM outbox")).scalars().all() == []
    database.close()


def clip_columns(request_id: str) -> dict[str, Any]:
    """A request's columns that have no default in the schema of 0003."""
    return {
        "request_id": request_id,
        "owner": "web",
        "hand_id": "hand-1",
        "mode": "copy",
        "lane": "interactive",
        "spec": {},
        "status": "queued",
        "attempt": 0,
        "epoch": 0,
        "seq": 0,
        "created_at": NOW,
        "last_sign_at": NOW,
    }


def table_of(name: str, values: dict[str, Any]) -> TableClause:
    """A table as a migration of long ago made it, which the models no longer describe."""
    types: dict[type, TypeEngine[Any]] = {datetime: DateTime(timezone=True)}
    named = [
        column(key, JSON() if key in ("spec", "attributes") else types.get(type(value)))
        for key, value in values.items()
    ]
    return table(name, *named)
