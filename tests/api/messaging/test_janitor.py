"""Deleting expired objects: failures, several processes, and what is not deleted."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import event

from api.db import expiry, overdue, schema
from api.db.engine import Database
from api.domain.retention import Retention
from api.messaging import janitor
from api.messaging.janitor import CLAIM, MOST_FAILURES, RETRY, SWEEP_SECONDS, Janitor
from clipping.clock import ManualClock
from clipping.config import validate
from clipping.errors import StoreUnavailable
from clipping.store.layout import output_key
from clipping.store.local import LocalStore
from clipping.store.memory import MemoryStore
from clipping.store.owners import OwnerStores
from clipping.store.port import Store
from tests.api.messages import NOW, completed, failed
from tests.api.rows import get, put, report

CONFIG = validate({})
KEPT = Retention.of(CONFIG)
DAY = 86_400.0
BATCH = 6


class Moody(MemoryStore):
    """A store that fails for the keys with one of these words in them."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.fails_for: tuple[str, ...] = ()
        self.seconds = 0.0
        """How long a deletion takes."""
        self.deleted: list[str] = []
        self.calls = 0
        self._counting = threading.Lock()
        self.clock = clock

    def delete(self, key: str, *, expected: str | None = None) -> bool:
        with self._counting:
            self.calls += 1
        if any(word in key for word in self.fails_for):
            raise StoreUnavailable(f"Could not delete {key}: it does not respond.")
        self.clock.advance(self.seconds)
        done = super().delete(key, expected=expected)
        if done:
            self.deleted.append(key)
        return done


@dataclass
class Desk:
    clock: ManualClock
    database: Database
    store: Moody
    folder: Path
    counted: list[tuple[int, int]] = field(default_factory=list)

    def janitor(self, store: Store | None = None) -> Janitor:
        return Janitor(
            KEPT,
            database=self.database,
            stores=OwnerStores(CONFIG, store or self.store),
            clock=self.clock,
            count=lambda deleted, failed: self.counted.append((deleted, failed)),
        )

    def short(self, store: Store | None = None, *, below: str = "shorts", data: bytes = b"clip") -> str:
        """A completed vertical clip."""
        at = store or self.store
        request_id = put(self.database, output={"aspect": "9:16"}, mode="encode")
        key = output_key(request_id, "hand-1", "mp4", short=below == "shorts")
        source = self.folder / request_id
        source.write_bytes(data)
        at.create(key, source, content_type="video/mp4", metadata={"request_id": request_id})
        report(self.database, completed(request_id=request_id, output_uri=at.uri(key)))
        return request_id

    def deleted(self, request_id: str) -> bool:
        return get(self.database, request_id).deleted_at is not None


@contextmanager
def desk_at(database_url: str, folder: Path) -> Iterator[Desk]:
    clock = ManualClock(NOW)
    database = Database(database_url, connections=8)
    schema.migrate(database)
    yield Desk(clock, database, Moody(clock), folder)
    database.close()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with desk_at(f"sqlite:///{tmp_path}/clips.db", tmp_path) as made:
        yield made


@pytest.fixture
def either_desk(database_url: str, tmp_path: Path) -> Iterator[Desk]:
    with desk_at(database_url, tmp_path) as made:
        yield made


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(janitor, "BATCH", BATCH)


def test_a_store_that_is_away_is_asked_a_few_times_and_again_later(either_desk: Desk) -> None:
    desk = either_desk
    ids = [desk.short() for _ in range(2 * BATCH)]
    desk.clock.advance(DAY)
    desk.store.fails_for = ("",)
    sweeping = desk.janitor()
    for _ in range(3):
        assert sweeping.sweep() == 0
        assert desk.store.calls == MOST_FAILURES
        desk.store.calls = 0
    assert desk.counted == [(0, MOST_FAILURES)] * 3
    assert not any(desk.deleted(each) for each in ids)
    assert len(desk.store.list("shorts/").objects) == len(ids)
    desk.store.fails_for = ()
    assert sweeping.sweep() == len(ids) - 3 * MOST_FAILURES  # those that failed come later
    assert sweeping.sweep() == 0
    desk.clock.advance(RETRY.total_seconds())
    assert sweeping.sweep() == 3 * MOST_FAILURES
    assert all(desk.deleted(each) for each in ids)
    assert desk.store.list("shorts/").objects == ()


def test_an_object_that_can_not_be_deleted_holds_nothing_up(desk: Desk) -> None:
    broken, *others = (desk.short() for _ in range(4))
    desk.store.fails_for = (broken,)
    desk.clock.advance(DAY)
    for _ in range(3):
        desk.janitor().sweep()
        desk.clock.advance(RETRY.total_seconds())
    assert not desk.deleted(broken)
    assert all(desk.deleted(each) for each in others)


def test_a_sweep_ends_in_time(desk: Desk) -> None:
    ids = [desk.short() for _ in range(8)]
    desk.clock.advance(DAY)
    desk.store.seconds = SWEEP_SECONDS / 4
    assert desk.janitor().sweep() == 4
    desk.store.seconds = 0
    assert desk.janitor().sweep() == 4  # the others are free at once
    assert all(desk.deleted(each) for each in ids)


def test_of_several_processes_one_deletes_each(either_desk: Desk) -> None:
    desk = either_desk
    ids = [desk.short() for _ in range(4 * BATCH)]
    desk.clock.advance(DAY)
    with ThreadPoolExecutor(4) as threads:
        counts = list(threads.map(Janitor.sweep, [desk.janitor() for _ in range(4)]))
    assert sum(counts) == desk.store.calls == len(desk.store.deleted) == len(ids)


def test_another_process_takes_over_from_one_that_died(either_desk: Desk) -> None:
    desk = either_desk
    request_id = desk.short()
    desk.clock.advance(DAY)
    now = desk.clock.now()
    with desk.database.write() as session:
        (claimed,) = expiry.claim(session, KEPT.cutoffs(now), now=now, until=now + CLAIM, limit=10)
    assert claimed == (request_id, "hand-1", "web", "shorts")
    desk.clock.advance(CLAIM.total_seconds() - 1)
    assert desk.janitor().sweep() == 0
    desk.clock.advance(1)
    assert desk.janitor().sweep() == 1


def test_a_vertical_clip_of_an_earlier_version_lives_as_long_as_its_folder(desk: Desk) -> None:
    request_id = desk.short(below="clips")
    assert get(desk.database, request_id).folder == "clips"
    desk.clock.advance(29 * DAY)
    assert desk.janitor().sweep() == 0
    assert len(desk.store.list("clips/").objects) == 1


def test_expired_objects_are_found_by_an_index(desk: Desk) -> None:
    desk.short()
    statements: list[str] = []
    event.listen(desk.database.engine, "before_cursor_execute", lambda *call: statements.append(call[2]))
    with desk.database.read() as session:
        expiry.is_any(session, {"shorts": NOW}, now=NOW)
    with desk.database.engine.connect() as connection:
        plan = connection.exec_driver_sql(
            f"EXPLAIN QUERY PLAN {statements[-1]}", ("shorts", NOW.isoformat(" "), NOW.isoformat(" "), 1, 0)
        ).all()
    assert "ix_requests_stored (folder=? AND stored_at<?)" in str(plan)


def test_requests_that_made_nothing_are_left_alone(desk: Desk) -> None:
    request_id = put(desk.database, output={"aspect": "9:16"}, mode="encode")
    report(desk.database, failed(request_id=request_id))
    put(desk.database, output={"aspect": "9:16"}, mode="encode")
    desk.clock.advance(1000 * DAY)
    assert (desk.janitor().sweep(), desk.store.calls) == (0, 0)


def test_an_object_that_another_request_owns_is_kept(desk: Desk) -> None:
    request_id = desk.short()
    key = output_key(request_id, "hand-1", "mov", short=True)
    desk.store.create(key, desk.folder / request_id, content_type="x/y", metadata={"request_id": "other"})
    desk.clock.advance(DAY)
    assert desk.janitor().sweep() == 1
    assert [info.key for info in desk.store.list("shorts/").objects] == [key]


def test_an_object_that_a_late_agent_stored_again_is_deleted_too(desk: Desk) -> None:
    request_id = desk.short()
    desk.clock.advance(DAY)
    assert desk.janitor().sweep() == 1
    key = output_key(request_id, "hand-1", "mp4", short=True)
    desk.store.create(key, desk.folder / request_id, content_type="video/mp4", metadata={})
    report(desk.database, completed(request_id=request_id, attempt=2), at=desk.clock.now())
    assert get(desk.database, request_id).stored_at == NOW
    assert desk.janitor().sweep() == 1
    assert desk.store.list("").objects == ()


def test_the_row_stays_until_the_object_is_deleted(either_desk: Desk) -> None:
    desk = either_desk
    request_id, other = desk.short(), put(desk.database)
    report(desk.database, completed(request_id=other))  # a clip in a bucket, which has a rule

    def forget() -> int:
        with desk.database.write() as session:
            now = desk.clock.now()
            return overdue.forget_finished(
                session, before=now, marked_before=now, folders=("shorts",), limit=10
            ).count

    desk.clock.advance(100 * DAY)
    assert (forget(), forget()) == (1, 0)
    assert not desk.deleted(request_id)
    assert desk.janitor().sweep() == 1
    assert forget() == 1


def test_a_download_goes_on_while_the_file_is_deleted(desk: Desk) -> None:
    store = LocalStore(desk.folder / "store", public_url="http://127.0.0.1:8000")
    data = bytes(range(256)) * 8192
    request_id = desk.short(store, data=data)
    found = store.open_object(output_key(request_id, "hand-1", "mp4", short=True))
    assert found is not None
    with found[0].open("rb", buffering=0) as file:
        first = file.read(1000)
        desk.clock.advance(DAY)
        assert desk.janitor(store).sweep() == 1
        assert not found[0].exists()
        rest = b"".join(iter(lambda: file.read(1 << 16), b""))
    assert first + rest == data


def test_on_a_network_file_system_nothing_is_tried(desk: Desk) -> None:
    mounts = desk.folder / "mountinfo"
    mounts.write_text(f"36 35 98:0 / {desk.folder} rw - nfs4 nas:/x rw\n")
    store = LocalStore(desk.folder / "store", public_url="http://127.0.0.1:8000", mounts=mounts)
    assert store.network == "nfs4"
    request_id = desk.short(store)
    desk.clock.advance(DAY + timedelta(days=900).total_seconds())
    assert desk.janitor(store).sweep() == 0
    assert not desk.deleted(request_id)
    assert desk.counted == []
