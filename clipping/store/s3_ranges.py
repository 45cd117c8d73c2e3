"""Parts of objects in an S3-compatible store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC
from typing import Any

from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

from clipping.errors import ClippingError, SourceNotFound, SourceUnavailable, StoreUnavailable
from clipping.store.ranges import PIECE_BYTES, ObjectState, Passing, changed
from clipping.store.s3_client import Connections, Endpoint
from clipping.store.s3_failures import (
    S3_ERRORS,
    code_of,
    explain,
    is_denied,
    is_missing,
    is_precondition,
    may_pass,
)

_RANGE = "InvalidRange"


class S3Ranges:
    """The objects of a bucket: see `ranges.Bucket`."""

    def __init__(self, bucket: str, endpoint: Endpoint, *, setting: str) -> None:
        """`setting`: the section of the configuration that the bucket is in, for messages."""
        self._name, self._setting = bucket, setting
        self._connections = Connections(replace(endpoint, credentials_name=f"{setting}.credentials"))

    def stat(self, key: str) -> ObjectState:
        uri = self._uri(key)
        try:
            found = self._client().head_object(Bucket=self._name, Key=key)
        except S3_ERRORS as error:
            if is_missing(error):
                self._check_bucket(uri)
            raise self._failure(uri, error) from error
        return ObjectState(int(found["ContentLength"]), found["ETag"], found["LastModified"].astimezone(UTC))

    def read(self, key: str, start: int, end: int, etag: str) -> Iterator[bytes]:
        uri = self._uri(key)
        wanted = {"Bucket": self._name, "Key": key, "Range": f"bytes={start}-{end - 1}", "IfMatch": etag}
        try:
            answer = self._client().get_object(**wanted)
            with closing(answer["Body"]) as body:
                # Not every store knows the condition.
                if answer["ETag"] != etag:
                    raise changed(uri)
                if not answer.get("ContentRange", "").startswith(f"bytes {start}-"):
                    raise SourceUnavailable(f"{uri} can't be read in parts: the store ignores ranges")
                yield from body.iter_chunks(PIECE_BYTES)
        except S3_ERRORS as error:
            raise self._failure(uri, error) from error

    def first(self, prefix: str) -> str | None:
        try:
            found = self._client().list_objects_v2(Bucket=self._name, Prefix=prefix, MaxKeys=1)
        except S3_ERRORS as error:
            raise self._failure(self._uri(prefix), error) from error
        return next((str(one["Key"]) for one in found.get("Contents", [])), None)

    def close(self) -> None:
        self._connections.close()

    def _client(self) -> Any:
        try:
            return self._connections.reads()
        except StoreUnavailable as error:  # a file with credentials that can't be used
            raise SourceUnavailable(error.message) from error

    def _uri(self, key: str) -> str:
        return f"s3://{self._name}/{key}"

    def _check_bucket(self, uri: str) -> None:
        """Raises unless there is a bucket: the answer to a HEAD does not say what is missing."""
        try:
            self._client().head_bucket(Bucket=self._name)
        except ClientError as error:
            if is_missing(error):
                raise self._no_bucket(uri) from error
        except S3_ERRORS:
            pass

    def _no_bucket(self, uri: str) -> SourceUnavailable:
        return SourceUnavailable(
            f"{uri} can't be read: there is no bucket {self._name}: correct {self._setting}"
        )

    def _failure(self, uri: str, error: Exception) -> ClippingError | Passing:
        if code_of(error) == "NoSuchBucket":
            return self._no_bucket(uri)
        if is_missing(error):
            return SourceNotFound(f"there is no object {uri}")
        if is_precondition(error) or code_of(error) in (_RANGE, "416"):
            return changed(uri)
        why = explain(self._name, error, setting=self._setting)
        if is_denied(error):
            why += f"; check {self._setting}.credentials: the key needs s3:GetObject and s3:ListBucket"
        failure = SourceUnavailable(f"{uri} can't be read: {why}")
        broken = isinstance(error, (HTTPClientError, ConnectionError))
        return Passing(failure) if broken or may_pass(error) else failure
