"""`sources` and `owners`: places that must be apart."""

from __future__ import annotations

from typing import Any

import pytest

from clipping.config import validate
from clipping.errors import ConfigurationError

S3 = {"backend": "s3", "bucket": "clips", "prefix": "out/"}


@pytest.mark.parametrize(
    "tree",
    [
        {"sources": [{"prefix": "s3://originals/"}, {"prefix": "gs://footage/2026/", "owners": ["ada"]}]},
        {"storage": S3, "sources": [{"prefix": "s3://clips/originals/"}]},
        {"storage": {**S3, "prefix": ""}, "sources": [{"prefix": "s3://clips/originals/"}]},
        {"storage": S3, "sources": [{"prefix": "gs://clips/"}]},
        {"storage": S3, "owners": {"ada": {"prefix": "ada/"}, "b@example.com": {"prefix": "b/"}}},
        {"storage": S3, "owners": {"ada": {"prefix": "ada/"}, "bob": {"prefix": "ada2/"}}},
    ],
)
def test_what_is_accepted(tree: dict[str, Any]) -> None:
    validate(tree)


@pytest.mark.parametrize(
    ("tree", "says"),
    [
        ({"sources": [{"prefix": "s3://originals"}]}, "sources.0.prefix"),
        ({"sources": [{"prefix": "https://example.com/"}]}, "sources.0.prefix"),
        ({"sources": [{"prefix": "gs://a-b/", "endpoint": "http://nas:9000"}]}, "endpoint is for s3://"),
        ({"sources": [{"prefix": "gs://a-b/", "owners": []}]}, "sources.0.owners"),
        (
            {"storage": S3, "sources": [{"prefix": "s3://clips/"}]},
            "include the objects of the service",
        ),
        ({"storage": S3, "sources": [{"prefix": "s3://clips/out/"}]}, "the objects of the service"),
        ({"storage": S3, "sources": [{"prefix": "s3://clips/out/clips/h/"}]}, "the objects of the service"),
        (
            {"storage": S3 | {"coordination_bucket": "locks"}, "sources": [{"prefix": "s3://locks/"}]},
            "objects of storage.coordination_bucket",
        ),
        (
            {
                "storage": S3,
                "owners": {"ada": {"prefix": "ada/x/"}},
                "sources": [{"prefix": "s3://clips/out/ada/"}],
            },
            "the objects of owners.ada",
        ),
        ({"owners": {"ada": {"prefix": "ada"}}}, "owners.ada.prefix"),
        ({"owners": {"ada": {"prefix": "../"}}}, "owners.ada.prefix"),
        ({"owners": {"ada": {"prefix": ""}}}, "owners.ada.prefix"),
        ({"owners": {"ada": {"prefix": "clips/ada/"}}}, "must not be in a folder of the service"),
        (
            {"owners": {"ada": {"prefix": "a/"}, "bob": {"prefix": "a/b/"}}},
            "owners.bob.prefix: must not be the same as that of ada, or below it",
        ),
        ({"owners": {"ada": {"prefix": "a/"}, "bob": {"prefix": "a/"}}}, "must not be the same"),
        ({"owners": {"ada": {"prefix": "a/", "credentials": "/k"}}}, "is for buckets"),
    ],
)
def test_what_is_refused(tree: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        validate(tree)
    assert says in str(refused.value)


def test_s3_takes_uploads_in_one_request_and_so_limits_them() -> None:
    s3 = {"backend": "s3", "bucket": "clips"}
    assert validate({"storage": s3, "limits": {"max_upload_bytes": 5 << 30}})
    with pytest.raises(ConfigurationError, match="max_upload_bytes: must be at most 5368709120 with the s3"):
        validate({"storage": s3, "limits": {"max_upload_bytes": (5 << 30) + 1}})
    assert validate({"limits": {"max_upload_bytes": 1 << 40}})
