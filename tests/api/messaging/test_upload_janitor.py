"""How long uploads to a folder are kept."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path

from api.messaging.upload_janitor import UploadJanitor
from clipping.clock import ManualClock
from clipping.config import validate
from clipping.store.layout import upload_key
from clipping.store.local import LocalStore
from clipping.store.memory import MemoryStore
from clipping.store.owners import OwnerStores
from clipping.store.port import Store
from tests.api.messages import NOW

DAY = 86_400.0


def uploaded(store: Store, folder: Path, owner: str, number: int) -> str:
    source = folder / "source"
    source.write_bytes(b"recording")
    key = upload_key(owner, f"upl-20261120-{number:016d}", "table.mp4")
    store.create(key, source, content_type="video/mp4", metadata={})
    return key


def test_they_are_deleted_after_the_retention_of_clips(tmp_path: Path) -> None:
    clock = ManualClock(NOW)
    config = validate({"storage": {"path": str(tmp_path / "store")}, "owners": {"ada": {"prefix": "ada/"}}})
    shared = LocalStore(tmp_path / "store", public_url="http://127.0.0.1:8000", clock=clock)
    own = LocalStore(tmp_path / "store", public_url="http://127.0.0.1:8000", prefix="ada/", clock=clock)
    stores = OwnerStores(config, shared)
    janitor = UploadJanitor(config, stores, clock)
    for number in range(450):  # several pages
        uploaded(shared, tmp_path, "web", number)
    theirs = uploaded(own, tmp_path, "ada", 1)
    (tmp_path / "source").write_bytes(b"clip")
    shared.create("clips/h/r.mp4", tmp_path / "source", content_type="video/mp4", metadata={})
    clock.advance(DAY)
    late = uploaded(shared, tmp_path, "web", 1000)
    clock.advance(29 * DAY - 1)
    assert janitor.sweep() == 0
    clock.advance(1)
    assert janitor.sweep() == 451
    assert {info.key for info in shared.list("").objects} == {late, "clips/h/r.mp4"}
    assert own.stat(theirs) is None
    clock.advance(DAY)
    assert (janitor.sweep(), janitor.sweep()) == (1, 0)


def test_in_a_bucket_its_rule_deletes_them(tmp_path: Path) -> None:
    clock = ManualClock(NOW)
    store, config = MemoryStore(clock), validate({})
    uploaded(store, tmp_path, "web", 1)
    clock.advance(100 * DAY)
    assert UploadJanitor(config, OwnerStores(config, store), clock).sweep() == 0


def test_what_a_dead_process_received_is_removed(tmp_path: Path) -> None:
    clock, config = ManualClock(NOW), validate({})
    store = LocalStore(tmp_path / "store", public_url="http://127.0.0.1:8000", clock=clock)
    left = tmp_path / "store" / "tmp" / "0123456789abcdef"
    left.write_bytes(b"half")
    janitor = UploadJanitor(config, OwnerStores(config, store), clock)
    janitor.sweep()
    assert left.exists(), "its writer may have just begun"
    past = time.time() - timedelta(minutes=2).total_seconds()
    os.utime(left, (past, past))
    janitor.sweep()
    assert not left.exists()
