"""Uploads of clients to buckets: SeaweedFS verifies them itself, and `GcsUploads` as Cloud Storage does."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from clipping.store.gcs import RESUMABLE_BYTES, GcsStore
from clipping.store.port import Store, UploadTarget
from clipping.store.s3 import S3Store
from clipping.store.s3_client import Endpoint
from tests.support.gcs import FakeGcs, ServiceAccount
from tests.support.gcs_uploads import PERSISTED, GcsUploads
from tests.support.http_proxy import HttpProxy
from tests.support.proxy import TcpProxy
from tests.support.seaweed import Seaweed
from tests.support.waiting import eventually

DATA = bytes(range(256)) * 40
SIZE, TYPE = len(DATA), "video/mp4"


@dataclass(frozen=True)
class Bucket:
    store: Store
    wrong: set[int]
    """The status of what differs from what was signed, or came too late."""


@pytest.fixture
def gcs_uploads(
    gcs_server: FakeGcs, account: ServiceAccount, monkeypatch: pytest.MonkeyPatch
) -> Iterator[GcsStore]:
    with HttpProxy(urlsplit(gcs_server.url).netloc) as proxy:
        proxy.before = GcsUploads(gcs_server, account.public_key)
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.url)
        store = GcsStore(gcs_server.bucket())
        yield store
        store.close()


@pytest.fixture(params=["s3", "gcs"])
def bucket(request: pytest.FixtureRequest) -> Bucket:
    if request.param == "s3":
        return Bucket(request.getfixturevalue("s3"), {403})
    return Bucket(request.getfixturevalue("gcs_uploads"), {400, 403})


def put(target: UploadTarget, data: bytes = DATA, *, left_out: str = "", **headers: str) -> int:
    sent: Mapping[str, str] = {**target.headers, **headers}
    sent = {name: value for name, value in sent.items() if name != left_out}
    return requests.put(target.url, data=data, headers=sent, timeout=30).status_code


def key(name: str) -> str:
    return f"uploads/0123456789abcdef/upl-20261120-0123456789abcdef/{name}.mp4"


def signed(store: Store, name: str, *, seconds: float = 60) -> UploadTarget:
    return store.sign_upload(key(name), size=SIZE, content_type=TYPE, seconds=seconds)


def test_an_upload(bucket: Bucket) -> None:
    target = signed(bucket.store, "a")
    assert abs(target.expires_at - datetime.now(UTC) - timedelta(seconds=60)) < timedelta(seconds=2)
    assert not target.resumable
    assert put(target) == 200
    info = bucket.store.stat(key("a"))
    assert info is not None
    assert (info.size, info.content_type) == (SIZE, TYPE)


def test_a_second_one_is_refused(bucket: Bucket, tmp_path: Path) -> None:
    target = signed(bucket.store, "b")
    assert put(target) == 200
    assert put(target, DATA[::-1]) == 412
    bucket.store.download(key("b"), tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == DATA


def test_another_size_or_type_is_refused(bucket: Bucket) -> None:
    target = signed(bucket.store, "c")
    assert put(target, DATA + b"x") in bucket.wrong
    assert put(target, DATA[:-1]) in bucket.wrong
    assert put(target, **{"Content-Type": "video/webm"}) in bucket.wrong
    for name in target.headers:
        assert put(target, left_out=name) in bucket.wrong
    assert bucket.store.stat(key("c")) is None
    assert put(target) == 200


def test_a_url_expires(bucket: Bucket) -> None:
    target = signed(bucket.store, "d", seconds=1)
    eventually(lambda: put(target, DATA[:-1]) in bucket.wrong and datetime.now(UTC) > target.expires_at)
    assert put(target) in bucket.wrong
    assert bucket.store.stat(key("d")) is None


def test_nothing_is_stored_of_one_that_breaks_off(bucket: Bucket) -> None:
    target = signed(bucket.store, "e")
    parts = urlsplit(target.url)
    lines = [f"PUT {parts.path}?{parts.query} HTTP/1.1", f"Host: {parts.netloc}"]
    lines += [f"{name}: {value}" for name, value in target.headers.items()]
    with socket.create_connection((str(parts.hostname), parts.port or 80), timeout=30) as connection:
        connection.sendall("\r\n".join([*lines, f"Content-Length: {SIZE}", "", ""]).encode() + DATA[:-9])
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65_536):
            pass
    assert bucket.store.stat(key("e")) is None
    assert put(target) == 200


def test_it_allows_nothing_else(bucket: Bucket) -> None:
    target = signed(bucket.store, "f")
    assert put(UploadTarget(target.url.replace("/f.mp4", "/g.mp4"), target.headers, target.expires_at)) == 403
    assert put(target) == 200


def test_s3_has_the_public_address(seaweed: Seaweed, s3: S3Store, s3_bucket: str) -> None:
    with TcpProxy(seaweed.host_port) as public:
        public_url = f"http://{public.host_port}"
        store = S3Store(s3_bucket, Endpoint(seaweed.url, public_url, credentials=seaweed.credentials))
        target = signed(store, "h")
        assert target.url.startswith(public_url + "/")
        assert put(target) == 200
        store.close()


@pytest.fixture
def session(gcs_uploads: GcsStore, monkeypatch: pytest.MonkeyPatch) -> UploadTarget:
    monkeypatch.setattr("clipping.store.gcs.RESUMABLE_BYTES", 1000)
    return gcs_uploads.sign_upload(key("large"), size=len(LARGE), content_type=TYPE, seconds=60)


LARGE = os.urandom(3 * PERSISTED + 5)


def test_a_large_one_goes_to_cloud_storage_in_one_put(gcs_uploads: GcsStore, session: UploadTarget) -> None:
    assert RESUMABLE_BYTES == 100_000_000
    assert session.resumable
    assert abs(session.expires_at - datetime.now(UTC) - timedelta(days=7)) < timedelta(minutes=1)
    assert put(session, LARGE[:-1]) == 400
    assert put(session, LARGE) == 200
    info = gcs_uploads.stat(key("large"))
    assert info is not None
    assert (info.size, info.content_type) == (len(LARGE), TYPE)
    assert put(session, LARGE[::-1]) == 200  # the session is over: its answer is repeated
    assert gcs_uploads.stat(key("large")) == info


def test_a_large_one_goes_on_where_it_broke_off(
    gcs_uploads: GcsStore, session: UploadTarget, tmp_path: Path
) -> None:
    size = len(LARGE)
    first = {"Content-Range": f"bytes 0-{PERSISTED - 1}/{size}"}
    assert put(session, LARGE[:PERSISTED], **first) == 308
    asked = requests.put(session.url, headers={"Content-Range": f"bytes */{size}"}, timeout=30)
    assert (asked.status_code, asked.headers["Range"]) == (308, f"bytes=0-{PERSISTED - 1}")
    assert gcs_uploads.stat(key("large")) is None
    rest = {"Content-Range": f"bytes {PERSISTED}-{size - 1}/{size}"}
    assert put(session, LARGE[PERSISTED:], **rest) == 200
    gcs_uploads.download(key("large"), tmp_path / "large")
    assert (tmp_path / "large").read_bytes() == LARGE
