"""What is particular to S3-compatible stores, on SeaweedFS."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clipping.errors import ObjectExists, StoreUnavailable, VersionMismatch
from clipping.store.conditions import check_conditions
from clipping.store.s3 import S3Store
from clipping.store.s3_client import Endpoint
from tests.support.http_proxy import Exchange, HttpProxy, Instead, s3_error
from tests.support.seaweed import READER_KEY, READER_SECRET, Seaweed

KEY = "clips/h/r.mp4"
LONG = {"request_id": "r", "clip": '{"source": "/nas/Größe, 漢字.mp4"}' * 150}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    source.write_bytes(b"clip")
    return source


@pytest.fixture
def proxy(seaweed: Seaweed) -> Iterator[HttpProxy]:
    with HttpProxy(seaweed.host_port) as proxy:
        yield proxy


@pytest.fixture
def proxied(seaweed: Seaweed, s3_bucket: str, proxy: HttpProxy, s3: S3Store) -> Iterator[S3Store]:
    """The store `s3`, reached through the proxy."""
    store = S3Store(s3_bucket, Endpoint(proxy.url, credentials=seaweed.credentials))
    yield store
    store.close()


def _create(store: S3Store, source: Path, metadata: dict[str, str], key: str = KEY) -> None:
    info = store.create(key, source, content_type="video/mp4", metadata=metadata)
    assert info == store.stat(key)
    assert info.metadata == metadata


def test_an_earlier_version_with_the_same_content_is_refused(
    s3: S3Store, seaweed: Seaweed, s3_bucket: str
) -> None:
    first = s3.replace("ha/lease.json", b"A", expected=None).version
    second = s3.replace("ha/lease.json", b"B", expected=first).version
    third = s3.replace("ha/lease.json", b"A", expected=second).version
    with pytest.raises(VersionMismatch):
        s3.replace("ha/lease.json", b"stale", expected=first)
    assert s3.delete("ha/lease.json", expected=third)
    # It would not be with the content alone: the store's ETags only depend on it.
    etags = [
        seaweed.admin.put_object(Bucket=s3_bucket, Key="ha/bare", Body=body)["ETag"]
        for body in (b"A", b"B", b"A")
    ]
    assert etags[0] == etags[2] != etags[1]


def test_a_document_is_json_to_every_program(s3: S3Store, seaweed: Seaweed, s3_bucket: str) -> None:
    s3.replace("ha/lease.json", b'{"epoch": 1}', expected=None)
    raw = seaweed.admin.get_object(Bucket=s3_bucket, Key="ha/lease.json")["Body"].read()
    assert raw.strip() == b'{"epoch": 1}'
    assert len(raw) > len(raw.strip())


def test_objects_of_other_programs_can_be_read(s3: S3Store, seaweed: Seaweed, s3_bucket: str) -> None:
    seaweed.admin.put_object(
        Bucket=s3_bucket, Key="clips/h/other.mp4", Body=b"12345", ContentType="video/mp4"
    )
    found = s3.get("clips/h/other.mp4")
    assert found is not None
    assert (found[0], found[1].size, found[1].metadata) == (b"12345", 5, {})
    s3.replace("clips/h/other.mp4", b"{}", expected=found[1].version)


def test_long_metadata_are_in_an_object_beside_the_clip(
    s3: S3Store, seaweed: Seaweed, s3_bucket: str, source: Path
) -> None:
    _create(s3, source, LONG)
    found = seaweed.admin.list_objects_v2(Bucket=s3_bucket)["Contents"]
    assert [each["Key"] for each in found] == ["clips/h/r.json", KEY]
    head = seaweed.admin.head_object(Bucket=s3_bucket, Key=KEY)["Metadata"]
    assert sum(len(name) + len(value) for name, value in head.items()) <= 2048
    assert all(value.isascii() for value in head.values())
    assert [info.key for info in s3.list("").objects] == [KEY], "facts are not listed"
    assert s3.delete(KEY)
    assert "Contents" not in seaweed.admin.list_objects_v2(Bucket=s3_bucket)


def test_two_kilobytes_of_metadata_survive(s3: S3Store, source: Path) -> None:
    for length in (1500, 1580, 1600, 2000, 2048, 2100):
        _create(s3, source, {"a": "x" * length, "b": "ü"}, key=f"clips/h/{length}.mp4")


def test_facts_of_an_upload_that_never_ended_are_not_taken_for_ours(
    s3: S3Store, seaweed: Seaweed, s3_bucket: str, source: Path
) -> None:
    _create(s3, source, LONG)
    seaweed.admin.delete_object(Bucket=s3_bucket, Key=KEY)  # as if it had died before it uploaded the clip
    other = LONG | {"agent_id": "nas-2"}
    _create(s3, source, other)
    info = s3.stat(KEY)
    assert info is not None
    assert info.metadata == other


def test_a_clip_without_its_facts_keeps_the_short_ones(
    s3: S3Store, seaweed: Seaweed, s3_bucket: str, source: Path
) -> None:
    _create(s3, source, LONG)
    seaweed.admin.delete_object(Bucket=s3_bucket, Key="clips/h/r.json")
    info = s3.stat(KEY)
    assert info is not None
    assert info.metadata == {"request_id": "r"}


def test_a_large_clip_is_uploaded_in_parts(
    seaweed: Seaweed, s3: S3Store, s3_bucket: str, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom((12 << 20) + 12_345))
    store = S3Store(
        s3_bucket,
        Endpoint(seaweed.url, credentials=seaweed.credentials),
        single_put_bytes=6 << 20,
        part_bytes=5 << 20,
    )
    _create(store, source, LONG)
    assert store.download(KEY, tmp_path / "target") == store.stat(KEY)
    assert (tmp_path / "target").read_bytes() == source.read_bytes()
    with pytest.raises(ObjectExists):
        store.create(KEY, source, content_type="video/mp4", metadata={})
    store.close()


def test_the_parts_of_a_failed_upload_are_removed(
    seaweed: Seaweed, s3: S3Store, s3_bucket: str, proxy: HttpProxy, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.write_bytes(bytes(12 << 20))
    proxy.before = lambda asked: s3_error(403, "AccessDenied") if "partNumber=2" in asked.path else None
    store = S3Store(
        s3_bucket,
        Endpoint(proxy.url, credentials=seaweed.credentials),
        single_put_bytes=6 << 20,
        part_bytes=5 << 20,
    )
    with pytest.raises(StoreUnavailable, match=rf"access to the bucket {s3_bucket} was denied"):
        store.create(KEY, source, content_type="video/mp4", metadata={})
    assert not seaweed.admin.list_multipart_uploads(Bucket=s3_bucket).get("Uploads")
    store.close()


def test_a_write_that_aws_did_not_decide_is_tried_again(
    proxied: S3Store, proxy: HttpProxy, source: Path
) -> None:
    conflicts = iter([s3_error(409, "ConditionalRequestConflict")] * 4)
    proxy.before = lambda asked: next(conflicts, None) if asked.method == "PUT" else None
    with pytest.raises(StoreUnavailable, match="other writes of the same object were running"):
        proxied.replace("ha/lease.json", b"{}", expected=None)
    conflicts = iter([s3_error(409, "ConditionalRequestConflict")] * 2)
    version = proxied.replace("ha/lease.json", b"{}", expected=None).version
    assert proxied.replace("ha/lease.json", b"[]", expected=version).size == 2
    conflicts = iter([s3_error(409, "ConditionalRequestConflict")] * 2)
    _create(proxied, source, {})
    assert proxied.get(KEY) == (b"clip", proxied.stat(KEY))


def test_a_stale_write_of_a_missing_object_is_a_mismatch_on_aws_too(
    proxied: S3Store, proxy: HttpProxy
) -> None:
    proxy.after = lambda asked: s3_error(404, "NoSuchKey") if asked.status == 412 else None
    with pytest.raises(VersionMismatch):
        proxied.replace("ha/lease.json", b"{}", expected="00ff")


def test_objects_are_deleted_where_deletes_take_no_condition(
    proxied: S3Store, proxy: HttpProxy, source: Path
) -> None:
    def refuse(asked: Exchange) -> Instead | None:
        conditional = asked.method == "DELETE" and "If-Match" in asked.headers
        return s3_error(501, "NotImplemented") if conditional else None

    proxy.before = refuse
    _create(proxied, source, {})
    assert proxied.delete(KEY)
    assert proxied.stat(KEY) is None


def test_a_lost_answer_to_an_upload_is_found_out_by_its_metadata(
    proxied: S3Store, proxy: HttpProxy, source: Path
) -> None:
    lost = iter([s3_error(500, "InternalError")])
    proxy.after = lambda asked: next(lost, None) if asked.method == "PUT" else None
    with pytest.raises(ObjectExists):
        proxied.create(KEY, source, content_type="video/mp4", metadata={"request_id": "r"})
    info = proxied.stat(KEY)
    assert info is not None
    assert info.metadata == {"request_id": "r"}


def test_conditions_are_found_to_be_kept(s3: S3Store) -> None:
    check_conditions(s3, "ha/main/doctor/1")
    assert s3.list("").objects == ()


@pytest.mark.parametrize("condition", ["If-None-Match", "If-Match"])
def test_a_store_that_ignores_a_condition_is_found_out(
    proxied: S3Store, proxy: HttpProxy, condition: str
) -> None:
    def ignore(asked: Exchange) -> Instead | None:
        ignored = asked.status == 412 and condition in asked.headers
        return (
            Instead(200, b"", {"ETag": '"1"', "Date": "Sun, 29 Nov 2026 00:00:00 GMT"}) if ignored else None
        )

    proxy.after = ignore
    with pytest.raises(
        StoreUnavailable, match=rf"ignores the condition of a write \({condition}.*two agents"
    ):
        check_conditions(proxied, "ha/main/doctor/1")


def _calls(store: S3Store, source: Path) -> Iterator[Callable[[], object]]:
    yield lambda: store.create(KEY, source, content_type="video/mp4", metadata={})
    yield lambda: store.replace("ha/lease.json", b"{}", expected=None)
    yield lambda: store.stat(KEY)
    yield lambda: store.get(KEY)
    yield lambda: store.download(KEY, source.with_name("target"))
    yield lambda: store.delete(KEY)
    yield lambda: store.delete(KEY, expected="1")
    yield lambda: store.list("")
    yield store.server_time
    yield lambda: store.bucket.keep_for({"clips/": 30}, dry_run=False)
    yield store.bucket.exists


def test_missing_credentials_are_named_by_every_call(
    seaweed: Seaweed, no_aws: pytest.MonkeyPatch, source: Path
) -> None:
    store = S3Store("clips", Endpoint(seaweed.url))
    for call in _calls(store, source):
        with pytest.raises(
            StoreUnavailable, match=r"credentials for the store are missing.*storage\.credentials"
        ):
            call()
    store.close()


def test_credentials_come_from_the_environment_too(
    seaweed: Seaweed, s3_bucket: str, no_aws: pytest.MonkeyPatch, source: Path
) -> None:
    no_aws.setenv("AWS_ACCESS_KEY_ID", READER_KEY)
    no_aws.setenv("AWS_SECRET_ACCESS_KEY", READER_SECRET)
    store = S3Store(s3_bucket, Endpoint(seaweed.url))
    assert store.list("").objects == ()
    with pytest.raises(StoreUnavailable, match=rf"access to the bucket {s3_bucket} was denied"):
        store.create(KEY, source, content_type="video/mp4", metadata={})
    store.close()


def test_rejected_credentials_are_named(seaweed: Seaweed, s3_bucket: str, tmp_path: Path) -> None:
    wrong = tmp_path / "credentials"
    wrong.write_text(seaweed.credentials.read_text().replace("secret\n", "secrets\n"))
    store = S3Store(s3_bucket, Endpoint(seaweed.url, credentials=wrong))
    with pytest.raises(StoreUnavailable, match=r"credentials for the store were rejected"):
        store.get(KEY)
    store.close()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "can't be read: No such file"),
        ("", r"needs a section \[default\]"),
        ("[default]\naws_access_key_id = AKIA-SECRET\n", r"needs a section \[default\]"),
        ("AKIA-SECRET", r"needs a section \[default\]"),
    ],
)
def test_unusable_credentials_are_named_and_not_printed(
    seaweed: Seaweed, tmp_path: Path, content: str | None, problem: str
) -> None:
    path = tmp_path / "credentials"
    if content is not None:
        path.write_text(content)
    store = S3Store("clips", Endpoint(seaweed.url, credentials=path))
    with pytest.raises(StoreUnavailable, match=rf"storage\.credentials: {path} {problem}") as raised:
        store.get(KEY)
    assert "AKIA" not in str(raised.value)


def test_a_bucket_that_does_not_exist_is_named(seaweed: Seaweed, source: Path) -> None:
    store = S3Store("no-such-bucket", Endpoint(seaweed.url, credentials=seaweed.credentials))
    for call in (
        lambda: store.create(KEY, source, content_type="video/mp4", metadata={}),
        lambda: store.replace(KEY, b"{}", expected=None),
        lambda: store.get(KEY),
        lambda: store.list(""),
        store.server_time,
    ):
        with pytest.raises(StoreUnavailable, match="the bucket no-such-bucket does not exist"):
            call()
    store.close()


def test_coordination_calls_end_in_their_time_and_are_asked_once(seaweed: Seaweed) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=16) as silent:
        endpoint = Endpoint(f"http://127.0.0.1:{silent.getsockname()[1]}", credentials=seaweed.credentials)
        store = S3Store("clips", endpoint, call_seconds=0.3)
        silent.setblocking(False)
        for call in (
            lambda: store.replace("ha/lease.json", b"{}", expected="1"),
            lambda: store.list("ha/"),
        ):
            begin = time.monotonic()
            with pytest.raises(StoreUnavailable, match="did not answer in time"):
                call()
            assert time.monotonic() - begin < 10
            silent.accept()[0].close()
            with pytest.raises(BlockingIOError):
                silent.accept()
        store.close()


def test_a_store_that_is_down_is_named(seaweed: Seaweed) -> None:
    store = S3Store("clips", Endpoint("http://127.0.0.1:9", credentials=seaweed.credentials))
    with pytest.raises(StoreUnavailable, match="the store can't be reached"):
        store.get(KEY)
    store.close()
