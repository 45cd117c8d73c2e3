from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from clipping.errors import ObjectExists, VersionMismatch
from clipping.store.port import MAX_SMALL_OBJECT, Store
from tests.contract.store.conftest import Create

KEY = "clips/scene-1/clip-20260101-abc.mp4"
METADATA = {"request_id": "clip-20260101-abc", "spec_hash": "00ff", "agent_id": "nas-1", "epoch": "7"}


def test_a_created_object_can_be_read(store: Store, create: Create) -> None:
    made = create(KEY, b"0123456789", metadata=METADATA)
    assert (made.key, made.size, made.content_type, made.metadata) == (KEY, 10, "video/mp4", METADATA)
    assert abs(made.created_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert store.stat(KEY) == made
    assert store.get(KEY) == (b"0123456789", made)
    assert store.list("clips/").objects == (made,)


def test_a_missing_object_is_none(store: Store) -> None:
    assert store.stat(KEY) is None
    assert store.get(KEY) is None
    assert store.delete(KEY) is False
    assert store.delete(KEY, expected="1") is False
    assert store.list("").objects == ()


def test_an_object_of_any_size_can_be_downloaded(store: Store, create: Create, tmp_path: Path) -> None:
    data = bytes(range(256)) * 4097 * 9  # above MAX_SMALL_OBJECT, and above one upload request
    made = create("checkpoints/clip-1/segment.mp4", data)
    small = store.replace("checkpoints/clip-1/checkpoint.json", b"{}", expected=None)
    target = tmp_path / "target"
    assert store.download(made.key, target) == made
    assert target.read_bytes() == data
    assert store.download(small.key, target) == small
    assert target.read_bytes() == b"{}"
    assert store.stat(made.key) == made


def test_nothing_is_downloaded_of_a_missing_object(store: Store, create: Create, tmp_path: Path) -> None:
    create(KEY)
    assert store.download("clips/scene-1/other.mp4", tmp_path / "target") is None
    store.delete(KEY)
    assert store.download(KEY, tmp_path / "target") is None
    assert not (tmp_path / "target").exists()


def test_create_never_overwrites(store: Store, create: Create) -> None:
    first = create(KEY, b"first", metadata=METADATA)
    with pytest.raises(ObjectExists):
        create(KEY, b"second", metadata={})
    assert store.get(KEY) == (b"first", first)
    small = store.replace("ha/lease.json", b"{}", expected=None)
    with pytest.raises(ObjectExists):
        create("ha/lease.json", b"second")
    assert store.stat("ha/lease.json") == small


def test_a_failed_create_keeps_the_source(store: Store, create: Create, tmp_path: Path) -> None:
    create(KEY)
    source = tmp_path / "again"
    source.write_bytes(b"kept")
    with pytest.raises(ObjectExists):
        store.create(KEY, source, content_type="video/mp4", metadata={})
    assert source.read_bytes() == b"kept"


def test_an_object_may_be_empty(store: Store, create: Create) -> None:
    made = create(KEY, b"")
    assert store.get(KEY) == (b"", made)
    written = store.replace("ha/empty", b"", expected=None)
    assert store.get("ha/empty") == (b"", written)


def test_replace_writes_only_over_the_expected_version(store: Store) -> None:
    first = store.replace("ha/lease.json", b'{"n": 1}', expected=None)
    assert first.size == 8
    assert store.get("ha/lease.json") == (b'{"n": 1}', first)
    with pytest.raises(VersionMismatch):
        store.replace("ha/lease.json", b"{}", expected=None)
    second = store.replace("ha/lease.json", b'{"n": 2}', expected=first.version)
    with pytest.raises(VersionMismatch):
        store.replace("ha/lease.json", b'{"n": 3}', expected=first.version)
    assert store.get("ha/lease.json") == (b'{"n": 2}', second)


def test_replacing_a_deleted_object_fails(store: Store) -> None:
    version = store.replace("ha/lease.json", b"1", expected=None).version
    with pytest.raises(VersionMismatch):
        store.replace("ha/other.json", b"2", expected=version)
    store.delete("ha/lease.json")
    with pytest.raises(VersionMismatch):
        store.replace("ha/lease.json", b"2", expected=version)
    assert store.stat("ha/lease.json") is None


def test_a_created_object_can_be_replaced_and_deleted(store: Store, create: Create) -> None:
    made = create("ha/agent.json", b"old", content_type="application/json")
    written = store.replace("ha/agent.json", b"newer", expected=made.version)
    assert store.get("ha/agent.json") == (b"newer", written)
    with pytest.raises(VersionMismatch):
        store.delete("ha/agent.json", expected=made.version)
    assert store.delete("ha/agent.json", expected=written.version) is True
    assert store.get("ha/agent.json") is None


def test_versions_are_never_reused(store: Store, create: Create) -> None:
    versions = []
    for _ in range(5):
        versions.append(store.replace("ha/x", b"same", expected=None).version)
        versions.append(store.replace("ha/x", b"same", expected=versions[-1]).version)
        assert store.delete("ha/x", expected=versions[-1])
        versions.append(create("ha/x", b"same").version)
        assert store.delete("ha/x")
    assert len(set(versions)) == len(versions)


def test_only_small_objects_are_read_and_replaced(store: Store, create: Create) -> None:
    limit = b"x" * MAX_SMALL_OBJECT
    assert store.replace("ha/x", limit, expected=None).size == MAX_SMALL_OBJECT
    found = store.get("ha/x")
    assert found is not None
    assert found[0] == limit
    with pytest.raises(ValueError, match="small object"):
        store.replace("ha/y", limit + b"x", expected=None)
    create("clips/h/big.mp4", limit + b"x")
    with pytest.raises(ValueError, match="small object"):
        store.get("clips/h/big.mp4")


def test_metadata_and_content_type_survive(store: Store, create: Create) -> None:
    metadata = {"a": "", "long": "y" * 1000, "words": "with spaces, and = signs"}
    create("clips/h/r.mkv", metadata=metadata, content_type="video/x-matroska")
    info = store.stat("clips/h/r.mkv")
    assert info is not None
    assert dict(info.metadata) == metadata
    assert info.content_type == "video/x-matroska"


@pytest.mark.parametrize(
    "key", ["", "/a", "a/", "a//b", "../a", "a/../b", ".a", "a/.b", "a b", "a@b", "ä", "a\n"]
)
def test_invalid_keys_are_refused_by_every_call(store: Store, create: Create, key: str) -> None:
    calls: list[Callable[[], object]] = [
        lambda: create(key),
        lambda: store.replace(key, b"", expected=None),
        lambda: store.stat(key),
        lambda: store.get(key),
        lambda: store.delete(key),
        lambda: store.sign(key, filename="a.mp4", seconds=60),
        lambda: store.uri(key),
        lambda: store.path_name(key),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="not an object key"):
            call()


def test_the_stores_clock_is_right(store: Store) -> None:
    assert abs(store.server_time() - datetime.now(UTC)) < timedelta(minutes=1)


def test_an_object_has_a_uri(store: Store) -> None:
    scheme, _, rest = store.uri(KEY).partition("://")
    assert scheme in {"gs", "s3", "file", "memory"}
    assert rest.endswith(KEY)
    assert store.path_name(KEY).endswith(KEY)
