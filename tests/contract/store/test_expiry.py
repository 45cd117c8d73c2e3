"""What the API's janitor deletes from each store, and when."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from api.db import schema
from api.db.engine import Database
from api.domain.retention import Retention
from api.messaging.janitor import Janitor
from clipping.clock import ManualClock
from clipping.config import validate
from clipping.store.layout import output_key
from clipping.store.local import LocalStore
from clipping.store.owners import OwnerStores
from clipping.store.port import Store
from tests.api.messages import NOW, completed
from tests.api.rows import get, put, put_reel, report
from tests.contract.store.conftest import Create

HOUR, DAY = 3600.0, 86_400.0
CONFIG = validate({})
KEPT = Retention.of(CONFIG)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path}/clips.db", connections=2)
    schema.migrate(made)
    yield made
    made.close()


def keys(store: Store) -> set[str]:
    return {info.key for info in store.list("").objects}


def test_the_janitor_deletes_what_no_rule_deletes_in_time(
    store: Store, create: Create, database: Database
) -> None:
    clock = ManualClock(NOW)
    janitor = Janitor(KEPT, database=database, stores=OwnerStores(CONFIG, store), clock=clock)
    short, clip, reel = (
        put(database, output={"aspect": "9:16"}, mode="encode"),
        put(database),
        put_reel(database),
    )
    made: dict[str, str] = {}
    for request_id, hand_id in ((short, "hand-1"), (clip, "hand-1"), (reel, "reel-1")):
        key = made[request_id] = output_key(request_id, hand_id, "mp4", short=request_id == short)
        create(key, metadata={"request_id": request_id})
        report(database, completed(request_id=request_id, hand_id=hand_id, output_uri=store.uri(key)))
    table, sheet = made[reel].replace(".mp4", ".tsv"), made[short].replace(".mp4", "-sheet.jpg")
    create(table, metadata={"request_id": reel})
    create(sheet)
    others = {
        made[short].replace(short, short[:-1] + "z"),  # a request that is unknown here
        "clips/hand-1/notes.txt",
        "shorts/notes.txt",
        "ha/lease.json",
    }
    for key in others:
        create(key)
    everything = others | set(made.values()) | {table, sheet}

    clock.advance(DAY - 1)
    assert janitor.sweep() == 0
    assert keys(store) == everything
    clock.advance(1)
    assert janitor.sweep() == 1
    everything -= {made[short], sheet}
    assert keys(store) == everything
    assert get(database, short).deleted_at == clock.now()
    clock.advance(29 * DAY - 1)
    assert janitor.sweep() == 0
    assert keys(store) == everything
    clock.advance(1)
    if isinstance(store, LocalStore):
        assert janitor.sweep() == 2
        everything -= {made[clip], made[reel], table}
    else:
        assert janitor.sweep() == 0  # the bucket's lifecycle rule deletes them
    assert keys(store) == everything
    clock.advance(1000 * DAY)
    assert janitor.sweep() == 0
    assert keys(store) == everything


def test_an_object_that_is_gone_already_counts_as_deleted(store: Store, database: Database) -> None:
    clock = ManualClock(NOW)
    short = put(database, output={"aspect": "9:16"}, mode="encode")
    key = output_key(short, "hand-1", "mp4", short=True)
    report(database, completed(request_id=short, output_uri=store.uri(key)))
    clock.advance(DAY)
    janitor = Janitor(KEPT, database=database, stores=OwnerStores(CONFIG, store), clock=clock)
    assert (janitor.sweep(), janitor.sweep()) == (1, 0)
    assert get(database, short).deleted_at == NOW + timedelta(days=1)
