"""Which web pages may upload to a bucket."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from clipping.config import Config, validate
from clipping.errors import StoreUnavailable
from clipping.store.cors import allow_uploads, gcs_rules, s3_rules
from tests.support.gcs import FakeGcs, ServiceAccount
from tests.support.gcs_uploads import GcsUploads
from tests.support.http_proxy import HttpProxy, s3_error
from tests.support.seaweed import Seaweed

PAGE, OTHER = "https://clips.example.com", "http://localhost:3000"
THEIRS_S3: dict[str, Any] = {"ID": "theirs", "AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}
THEIRS_GCS: dict[str, Any] = {"origin": ["*"], "method": ["GET"], "maxAgeSeconds": 5}


@pytest.mark.parametrize(("rules_of", "theirs"), [(s3_rules, THEIRS_S3), (gcs_rules, THEIRS_GCS)])
def test_the_rules_of_others_stay(rules_of: Any, theirs: dict[str, Any]) -> None:
    assert rules_of([theirs], []) is None
    first = rules_of([theirs], [PAGE])
    assert first[1] == theirs
    assert len(first) == 2
    assert rules_of(first, [PAGE]) is None
    second = rules_of(first, [PAGE, OTHER])
    assert second != first
    assert rules_of(second, []) == [theirs]


def config(storage: dict[str, Any], *origins: str) -> Config:
    return validate({"storage": storage, "api": {"cors_origins": list(origins)}})


def preflight(url: str, origin: str) -> requests.Response:
    asked = {"Origin": origin, "Access-Control-Request-Method": "PUT"}
    asked["Access-Control-Request-Headers"] = "content-type,if-none-match"
    return requests.options(url, headers=asked, timeout=30)


def test_a_bucket_of_s3(seaweed: Seaweed) -> None:
    storage = seaweed.storage()
    bucket = storage["bucket"]
    url = f"{seaweed.url}/{bucket}/uploads/x"
    seaweed.admin.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [THEIRS_S3]})
    wanted = config(storage, PAGE, OTHER)
    changes = [f"let pages of {PAGE}, {OTHER} upload to {bucket}"]
    assert allow_uploads(wanted, dry_run=True) == changes
    assert "PUT" not in preflight(url, PAGE).headers.get("Access-Control-Allow-Methods", "")
    assert allow_uploads(wanted, dry_run=False) == changes
    assert allow_uploads(wanted, dry_run=False) == []
    allowed = preflight(url, PAGE).headers
    assert (allowed["Access-Control-Allow-Origin"], allowed["Access-Control-Allow-Methods"]) == (PAGE, "PUT")
    refused = preflight(url, "https://evil.example").headers
    assert "PUT" not in refused.get("Access-Control-Allow-Methods", "")
    assert allow_uploads(config(storage), dry_run=False) == [f"let no pages upload to {bucket}"]
    assert allow_uploads(config(storage), dry_run=False) == []
    rules = seaweed.admin.get_bucket_cors(Bucket=bucket)["CORSRules"]
    assert [rule["ID"] for rule in rules] == ["theirs"]
    seaweed.admin.delete_bucket_cors(Bucket=bucket)
    assert allow_uploads(config(storage, PAGE), dry_run=False)
    assert allow_uploads(config(storage), dry_run=False), "and with ours goes the last one"
    missing = config({**storage, "bucket": "no-such-bucket"}, PAGE)
    assert allow_uploads(missing, dry_run=True)
    with pytest.raises(StoreUnavailable):
        allow_uploads(missing, dry_run=False)


def test_a_store_without_such_rules(seaweed: Seaweed) -> None:
    storage = seaweed.storage()
    with HttpProxy(seaweed.host_port) as proxy:
        proxy.before = lambda asked: s3_error(501, "NotImplemented") if "?cors" in asked.path else None
        assert allow_uploads(config({**storage, "endpoint": proxy.url}, PAGE), dry_run=False) == []


def test_a_bucket_of_cloud_storage(
    gcs_server: FakeGcs, account: ServiceAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = gcs_server.bucket()
    with HttpProxy(urlsplit(gcs_server.url).netloc) as proxy:
        proxy.before = rule = GcsUploads(gcs_server, account.public_key)
        rule.cors[bucket] = [THEIRS_GCS]
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.url)
        storage = {"backend": "gcs", "bucket": bucket}
        wanted = config(storage, PAGE)
        assert allow_uploads(wanted, dry_run=True) == [f"let pages of {PAGE} upload to {bucket}"]
        assert rule.cors[bucket] == [THEIRS_GCS]
        assert allow_uploads(wanted, dry_run=False)
        assert allow_uploads(wanted, dry_run=False) == []
        assert rule.cors[bucket][1] == THEIRS_GCS
        assert rule.cors[bucket][0]["origin"] == [PAGE]
        assert allow_uploads(config(storage), dry_run=False)
        assert rule.cors[bucket] == [THEIRS_GCS]


def test_a_folder_needs_none() -> None:
    assert allow_uploads(config({}, PAGE), dry_run=False) == []
