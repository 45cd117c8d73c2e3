"""Parts of objects in buckets: on SeaweedFS, and on an emulator of Cloud Storage."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from clipping.errors import SourceChanged, SourceNotFound, SourceUnavailable
from clipping.store import ranges as reading
from clipping.store.gcs_ranges import GcsRanges
from clipping.store.ranges import Bucket, ObjectReader, ObjectState, tried
from clipping.store.s3_client import Endpoint
from clipping.store.s3_ranges import S3Ranges
from tests.support.gcs import FakeGcs
from tests.support.http_proxy import Exchange, HttpProxy, Instead, s3_error
from tests.support.seaweed import READER_KEY, READER_SECRET, Seaweed

KEY = "a b/Größe & 漢字?#%20.mp4"
DATA = bytes(range(256)) * 5000


class Place:
    """A bucket with what a test needs of it."""

    def __init__(self, uri: str, bucket: Bucket, seaweed: Seaweed | None, gcs: FakeGcs | None) -> None:
        self.uri, self.bucket = uri, bucket
        self._seaweed, self._gcs, self._name = seaweed, gcs, uri.partition("://")[2]

    def put(self, data: bytes = DATA, key: str = KEY) -> ObjectReader:
        if self._seaweed is not None:
            self._seaweed.admin.put_object(Bucket=self._name, Key=key, Body=data)
        if self._gcs is not None:
            url = f"{self._gcs.url}/upload/storage/v1/b/{self._name}/o"
            query = {"uploadType": "media", "name": key}
            requests.post(url, params=query, data=data, timeout=30).raise_for_status()
        return self.reader(key)

    def delete(self) -> None:
        if self._seaweed is not None:
            self._seaweed.admin.delete_object(Bucket=self._name, Key=KEY)
        if self._gcs is not None:
            key = requests.utils.quote(KEY, safe="")
            requests.delete(f"{self._gcs.url}/storage/v1/b/{self._name}/o/{key}", timeout=30)

    def reader(self, key: str = KEY) -> ObjectReader:
        return ObjectReader(f"{self.uri}/{key}", self.bucket, key)


@pytest.fixture(params=["s3", "gs"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    if request.param == "s3":
        weed: Seaweed = request.getfixturevalue("seaweed")
        name = request.getfixturevalue("s3_bucket")
        s3 = S3Ranges(name, Endpoint(weed.url, credentials=weed.credentials), setting="sources")
        yield Place(f"s3://{name}", s3, weed, None)
        s3.close()
        weed.empty(name)
        return
    server: FakeGcs = request.getfixturevalue("gcs_server")
    name = server.bucket()
    gcs = GcsRanges(name, setting="sources")
    yield Place(f"gs://{name}", gcs, None, server)
    gcs.close()


def whole(reader: ObjectReader, state: ObjectState) -> bytes:
    return b"".join(reader.read(0, state.size, state))


def test_any_part_of_any_key_can_be_read(place: Place) -> None:
    reader = place.put()
    state = reader.stat()
    assert state.size == len(DATA)
    assert state.modified.tzinfo is not None
    assert whole(reader, state) == DATA
    for begin, end in ((0, 1), (1000, 1_200_000), (len(DATA) - 1, len(DATA))):
        assert b"".join(reader.read(begin, end, state)) == DATA[begin:end]
    assert place.bucket.first("a b/") == KEY
    assert place.bucket.first("b/") is None


def test_a_replaced_object_is_not_read(place: Place) -> None:
    reader = place.put()
    state = reader.stat()
    pieces = reader.read(0, len(DATA), state)
    place.put(DATA[::-1])
    with pytest.raises(SourceChanged):
        whole(reader, state)
    assert whole(reader, reader.stat()) == DATA[::-1]
    pieces.close()
    place.put(DATA[:10])
    with pytest.raises(SourceChanged):
        b"".join(reader.read(1000, 2000, state))


def test_a_deleted_object_is_not_found(place: Place) -> None:
    reader = place.put()
    state = reader.stat()
    place.delete()
    with pytest.raises(SourceNotFound, match="there is no object"):
        reader.stat()
    with pytest.raises(SourceNotFound):
        whole(reader, state)


def test_a_missing_bucket_is_the_configurations_fault(seaweed: Seaweed) -> None:
    bucket = S3Ranges("no-such-bucket", Endpoint(seaweed.url, credentials=seaweed.credentials), setting="X")
    for call in (lambda: bucket.stat("x"), lambda: bucket.first("")):
        with pytest.raises(SourceUnavailable, match="no bucket no-such-bucket: correct X"):
            call()
    bucket.close()


def test_a_missing_bucket_in_cloud_storage_is_named(gcs_server: FakeGcs) -> None:
    bucket = GcsRanges("no-such-bucket", setting="X")
    with pytest.raises(SourceUnavailable, match="no bucket no-such-bucket: correct X"):
        bucket.first("")
    bucket.close()


def test_wrong_credentials_name_the_setting(seaweed: Seaweed, s3_bucket: str, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("[default]\naws_access_key_id = x\naws_secret_access_key = y\n")
    for path in (wrong, tmp_path / "missing"):
        bucket = S3Ranges(s3_bucket, Endpoint(seaweed.url, credentials=path), setting="sources.1")
        with pytest.raises(SourceUnavailable, match=r"sources\.1\.credentials"):
            tried(lambda bucket=bucket: bucket.first(""))
        with pytest.raises(SourceUnavailable, match=r"sources\.1\.credentials"):
            tried(lambda bucket=bucket: bucket.stat("x"))
        bucket.close()


def test_a_reader_key_is_enough(seaweed: Seaweed, s3_bucket: str, tmp_path: Path) -> None:
    key = tmp_path / "reader"
    key.write_text(f"[default]\naws_access_key_id={READER_KEY}\naws_secret_access_key={READER_SECRET}\n")
    seaweed.admin.put_object(Bucket=s3_bucket, Key="x", Body=b"data")
    bucket = S3Ranges(s3_bucket, Endpoint(seaweed.url, credentials=key), setting="sources")
    assert whole(ObjectReader("s3://x", bucket, "x"), bucket.stat("x")) == b"data"
    bucket.close()
    seaweed.empty(s3_bucket)


class TestOutages:
    @pytest.fixture
    def proxy(self, seaweed: Seaweed) -> Iterator[HttpProxy]:
        with HttpProxy(seaweed.host_port) as proxy:
            yield proxy

    @pytest.fixture
    def reader(self, seaweed: Seaweed, s3_bucket: str, proxy: HttpProxy) -> Iterator[ObjectReader]:
        seaweed.admin.put_object(Bucket=s3_bucket, Key="x", Body=DATA)
        bucket = S3Ranges(s3_bucket, Endpoint(proxy.url, credentials=seaweed.credentials), setting="sources")
        yield ObjectReader(f"s3://{s3_bucket}/x", bucket, "x")
        bucket.close()
        seaweed.empty(s3_bucket)

    def test_what_may_pass_is_tried_again(self, reader: ObjectReader, proxy: HttpProxy) -> None:
        answers = [s3_error(503, "SlowDown"), None, s3_error(500, "InternalError"), None]
        proxy.before = lambda _: answers.pop(0) if answers else None
        assert whole(reader, reader.stat()) == DATA
        assert answers == []

    def test_a_response_that_ends_early_is_continued(self, reader: ObjectReader, proxy: HttpProxy) -> None:
        state = reader.stat()
        short = [True]

        def after(exchange: Exchange) -> Instead | None:
            if not short:
                return None
            short.clear()
            headers = {
                "ETag": state.etag,
                "Content-Range": f"bytes 0-{len(DATA) - 1}/{len(DATA)}",
                "Content-Length": "1000",
            }
            return Instead(206, DATA[:1000], headers)

        proxy.after = after
        assert whole(reader, state) == DATA
        assert len(proxy.seen) == 3

    def test_a_store_that_stays_away_is_unavailable(
        self, reader: ObjectReader, proxy: HttpProxy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reading, "_WAIT_SECONDS", 0.001)
        state = reader.stat()
        proxy.before = lambda _: s3_error(503, "SlowDown")
        with pytest.raises(SourceUnavailable, match="limits the request rate"):
            whole(reader, state)
        assert len(proxy.seen) == 1 + reading.MOST_TRIES

    def test_denied_access_is_not_tried_again(self, reader: ObjectReader, proxy: HttpProxy) -> None:
        proxy.before = lambda _: s3_error(403, "AccessDenied")
        with pytest.raises(SourceUnavailable, match="s3:GetObject"):
            reader.stat()
        assert len(proxy.seen) == 1

    def test_a_store_that_ignores_the_condition_is_noticed(
        self, reader: ObjectReader, proxy: HttpProxy
    ) -> None:
        state = reader.stat()
        proxy.after = lambda _: Instead(206, b"x" * 10, {"ETag": '"other"', "Content-Range": "bytes 0-9/10"})
        with pytest.raises(SourceChanged):
            whole(reader, state)
