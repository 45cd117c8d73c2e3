from __future__ import annotations

import hashlib
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from clipping.errors import ObjectExists, StoreUnavailable
from clipping.store.gcs import GcsStore
from tests.support.gcs import FakeGcs

KEY = "clips/h/r.mp4"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    source.write_bytes(b"clip")
    return source


def _calls(store: GcsStore, source: Path) -> Iterator[Callable[[], object]]:
    yield lambda: store.create(KEY, source, content_type="video/mp4", metadata={})
    yield lambda: store.replace("ha/lease.json", b"{}", expected=None)
    yield lambda: store.stat(KEY)
    yield lambda: store.get(KEY)
    yield lambda: store.delete(KEY)
    yield lambda: store.delete(KEY, expected="1")
    yield lambda: store.list("")
    yield lambda: store.keep_for({"clips/": 30}, dry_run=False)
    yield store.server_time


def test_a_large_clip_is_uploaded_in_chunks(gcs_server: FakeGcs, tmp_path: Path) -> None:
    data = os.urandom((9 << 20) + 12_345)
    source = tmp_path / "source"
    source.write_bytes(data)
    store = GcsStore(gcs_server.bucket(), chunk_bytes=1 << 20)
    made = store.create(KEY, source, content_type="video/mp4", metadata={"request_id": "r"})
    assert made == store.stat(KEY)
    assert made.size == len(data)
    assert made.metadata == {"request_id": "r"}
    answer = requests.get(store.sign(KEY, filename="h.mp4", seconds=60).url, timeout=30)
    assert hashlib.sha256(answer.content).digest() == hashlib.sha256(data).digest()
    with pytest.raises(ObjectExists):
        store.create(KEY, source, content_type="video/mp4", metadata={})
    store.close()


def test_a_bucket_can_be_given_a_retention_time(gcs: GcsStore) -> None:
    # The emulator takes the rule and forgets it: what is asked for is tested in test_retention.
    assert gcs.keep_for({"clips/": 30}, dry_run=True) == ["clips/"]
    assert gcs.keep_for({"clips/": 30}, dry_run=False) == ["clips/"]


def test_a_server_that_is_gone_is_reported_in_time_by_every_call(
    gcs_server: FakeGcs, gcs: GcsStore, source: Path
) -> None:
    gcs.create(KEY, source, content_type="video/mp4", metadata={})
    gcs_server.stop()
    for call in _calls(gcs, source):
        begin = time.monotonic()
        with pytest.raises(StoreUnavailable, match=r"can't be reached \(.*Connection refused"):
            call()
        assert time.monotonic() - begin < 30


def _asked_for_objects(listener: socket.socket) -> int:
    """How many of the requests that wait there are about objects. The library asks for the bucket as well, in
    a thread of its own."""
    found = 0
    while True:
        try:
            asked, _ = listener.accept()
        except BlockingIOError:
            return found
        with asked:
            asked.settimeout(10)
            found += b"/b/clips/o" in asked.recv(1000)


def test_coordination_calls_end_in_their_time_and_are_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=16) as silent:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{silent.getsockname()[1]}")
        store = GcsStore("clips", call_seconds=0.3)
        silent.setblocking(False)
        for call in (
            lambda: store.replace("ha/lease.json", b"{}", expected="1"),
            lambda: store.get("ha/lease.json"),
            lambda: store.list("ha/"),
            store.server_time,
        ):
            begin = time.monotonic()
            with pytest.raises(StoreUnavailable, match="did not answer in time"):
                call()
            assert time.monotonic() - begin < 10
            assert _asked_for_objects(silent) == 1
        store.close()


def test_a_restarted_server_is_used_again(gcs_server: FakeGcs, source: Path) -> None:
    store = GcsStore("not-there-yet")
    with pytest.raises(StoreUnavailable):
        store.create(KEY, source, content_type="video/mp4", metadata={})
    requests.post(f"{gcs_server.url}/storage/v1/b", json={"name": "not-there-yet"}, timeout=30)
    assert store.create(KEY, source, content_type="video/mp4", metadata={}).size == 4
    store.close()


def test_a_bucket_that_does_not_exist_is_named(gcs_server: FakeGcs, source: Path) -> None:
    store = GcsStore("no-such-bucket")
    for call in (
        lambda: store.create(KEY, source, content_type="video/mp4", metadata={}),
        lambda: store.list(""),
    ):
        with pytest.raises(StoreUnavailable, match="the bucket no-such-bucket does not exist"):
            call()
    store.close()


def test_missing_credentials_are_named_by_every_call(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(source.with_name("no-such-file.json")))
    store = GcsStore("clips")
    for call in _calls(store, source):
        with pytest.raises(
            StoreUnavailable, match=r"credentials for Cloud Storage are missing.*no-such-file"
        ):
            call()
    with pytest.raises(StoreUnavailable, match="credentials for Cloud Storage are missing"):
        store.sign(KEY, filename="h.mp4", seconds=60)


def test_uris_name_the_bucket() -> None:
    store = GcsStore("clips", prefix="team/")
    assert store.uri(KEY) == "gs://clips/team/clips/h/r.mp4"
    assert store.path_name(KEY) == "gs://clips/team/clips/h/r.mp4"
