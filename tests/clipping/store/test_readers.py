"""What the doctor says of a bucket of recordings: whether it can be read, or the fix."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clipping.config import Source, validate
from clipping.errors import SourceUnavailable
from clipping.store.access import SourceObject
from clipping.store.ranges import Bucket
from clipping.store.readers import SourceReaders
from embedded.layout import free_port
from tests.support.gcs import FakeGcs
from tests.support.seaweed import Seaweed


def try_out(prefix: str, **source: Any) -> str:
    config = validate({"sources": [{"prefix": prefix, **source}]})
    return SourceReaders(config).try_out(config.sources[0])


def test_a_readable_bucket_is_read(seaweed: Seaweed, s3_bucket: str) -> None:
    own = {"endpoint": seaweed.url, "credentials": str(seaweed.credentials)}
    assert try_out(f"s3://{s3_bucket}/", **own) == "can be listed; there is nothing to read"
    seaweed.admin.put_object(Bucket=s3_bucket, Key="2026/a b.mp4", Body=b"data")
    assert try_out(f"s3://{s3_bucket}/2026/", **own) == "read from a b.mp4"
    assert "nothing to read" in try_out(f"s3://{s3_bucket}/2025/", **own)
    seaweed.empty(s3_bucket)


def test_what_is_wrong_is_said_with_the_fix(seaweed: Seaweed, s3_bucket: str, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("[default]\naws_access_key_id = x\naws_secret_access_key = y\n")
    good, prefix = str(seaweed.credentials), f"s3://{s3_bucket}/"
    for uri, source, fix in [
        (prefix, {"endpoint": seaweed.url, "credentials": str(wrong)}, r"check .*\.credentials"),
        (prefix, {"endpoint": seaweed.url, "credentials": "/no/such/file"}, r"\.credentials: /no/such/file"),
        ("s3://no-such-bucket/", {"endpoint": seaweed.url, "credentials": good}, "no bucket .*: correct"),
        (prefix, {"endpoint": f"http://127.0.0.1:{free_port()}", "credentials": good}, "can't be reached"),
    ]:
        with pytest.raises(SourceUnavailable, match=fix):
            try_out(uri, **source)


def test_a_bucket_in_cloud_storage_is_read(gcs_server: FakeGcs) -> None:
    assert "nothing to read" in try_out(f"gs://{gcs_server.bucket()}/")
    with pytest.raises(SourceUnavailable, match="no bucket no-such-bucket: correct"):
        try_out("gs://no-such-bucket/")


def test_own_objects_are_read_with_the_credentials_of_the_owner(seaweed: Seaweed, s3_bucket: str) -> None:
    tree = {
        "storage": {**seaweed.storage(), "bucket": s3_bucket, "credentials": "/no/such/file"},
        "owners": {
            "ada": {"prefix": "ada/", "credentials": str(seaweed.credentials)},
            "bob": {"prefix": "bob/"},
        },
    }
    readers = SourceReaders(validate(tree))
    seaweed.admin.put_object(Bucket=s3_bucket, Key="ada/x.mp4", Body=b"data")
    for owner in ("ada", "bob"):
        reader = readers.of(SourceObject(f"s3://{s3_bucket}/ada/x.mp4", None), owner=owner)
        if owner == "ada":
            assert reader.stat().size == len(b"data")
        else:
            with pytest.raises(SourceUnavailable, match=r"storage\.credentials: /no/such/file"):
                reader.stat()
    readers.close()
    seaweed.empty(s3_bucket)


def test_callers_without_a_key_share_a_connection(tmp_path: Path) -> None:
    keys = {name: tmp_path / name for name in ("ada", "bob")}
    for key in keys.values():
        key.write_text("[default]\naws_access_key_id = x\naws_secret_access_key = y\n")
    readers = SourceReaders(
        validate(
            {
                "storage": {"backend": "s3", "bucket": "shared"},
                "owners": {
                    **{name: {"prefix": f"{name}/", "credentials": str(key)} for name, key in keys.items()},
                    "eve": {"prefix": "eve/"},
                },
            }
        )
    )

    def of(owner: str, source: Source | None = None) -> Bucket:
        return readers.of(SourceObject("s3://shared/x/y.mp4", source), owner=owner).bucket

    shared = of("caller-0")
    assert all(of(owner) is shared for owner in ("caller-1", "caller-2", "eve"))
    assert of("caller-0", Source(prefix="s3://shared/x/")) is not shared
    ada = of("ada")
    assert len({id(bucket) for bucket in (shared, ada, of("bob"))}) == 3
    assert of("ada") is ada
    keys["ada"].write_text("[default]\naws_access_key_id = x2\naws_secret_access_key = y2\n")
    assert of("ada") is not ada
    readers.close()
