"""An S3-compatible store: AWS, Cloudflare R2, MinIO, SeaweedFS. `s3_format.py` says how objects are kept.

Everything rests on conditional writes: a PUT with `If-None-Match: *` or `If-Match`, which the store decides
atomically. `conditions.py` finds out whether a store does. Completing an upload in parts is not atomic
everywhere (SeaweedFS 4.48 lets several win), so clips go up in one request, and only those above 1 GB in
parts.

As in `gcs.py`, coordination calls have short timeouts and are not retried.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import IO, Any

from botocore.exceptions import ClientError

from clipping.errors import ObjectExists, StoreUnavailable, VersionMismatch
from clipping.store.disposition import attachment
from clipping.store.port import MAX_SMALL_OBJECT, ObjectInfo, Page, SignedUrl, UploadTarget, check_key
from clipping.store.s3_bucket import S3Bucket
from clipping.store.s3_client import Connections, Endpoint
from clipping.store.s3_failures import (
    S3_ERRORS,
    decided,
    is_missing,
    is_precondition,
    is_unsupported,
    unavailable,
    unsignable,
)
from clipping.store.s3_format import (
    Description,
    document_metadata,
    etag_of,
    facts_keys,
    facts_metadata,
    facts_of,
    has_nonce,
    new_nonce,
    object_metadata,
    padded,
    parse_pairs,
    version_of,
)
from clipping.store.s3_links import signed_url
from clipping.store.s3_parts import PART_BYTES, upload_parts

SINGLE_PUT_BYTES = 1 << 30
"""The largest file that is uploaded in one request. The stores allow 5 GB; a broken request starts over."""
MAX_LISTED = 1000
_READ_TRIES = 10
_DOWNLOAD_TRIES = 3
_PIECE = 1 << 20
_LOOKUPS = 8
"""Concurrent requests of a listing: one for each object, as a listing has no metadata."""


class S3Store:
    """A bucket. Connects on the first call; without credentials every call raises `StoreUnavailable`.

    `call_seconds` limits each request, except uploads and downloads. If it is set, it also limits `list`,
    which is otherwise retried: coordination needs a fast result or a fast failure. Files above
    `single_put_bytes` are uploaded in parts of `part_bytes`.
    """

    def __init__(
        self,
        bucket: str,
        endpoint: Endpoint,
        *,
        prefix: str = "",
        call_seconds: float | None = None,
        single_put_bytes: int = SINGLE_PUT_BYTES,
        part_bytes: int = PART_BYTES,
    ) -> None:
        self._bucket = bucket
        self._prefix = prefix
        self._single_put_bytes, self._part_bytes = single_put_bytes, part_bytes
        self._connections = Connections(endpoint, call_seconds=call_seconds)
        self._lists_fast = call_seconds is not None

    @property
    def bucket(self) -> S3Bucket:
        """The bucket itself, for `provision`."""
        return S3Bucket(self._bucket, self._prefix, self._connections)

    def create(self, key: str, source: Path, *, content_type: str, metadata: Mapping[str, str]) -> ObjectInfo:
        name, size, nonce = self._name(key), source.stat().st_size, new_nonce()
        with source.open("rb") as file, self._failing_as(f"create {key}"):
            # The condition is authoritative; checking first saves uploading a clip that exists already.
            if self._head(name) is not None:
                raise ObjectExists(f"{key} exists already.")
            facts = self._put_facts(key, metadata)
            described = {
                "Bucket": self._bucket,
                "Key": name,
                "ContentType": content_type,
                "Metadata": object_metadata(metadata, nonce, facts),
            }
            try:
                answer = self._upload(described, file, size)
            except ClientError as error:
                if is_precondition(error):
                    raise ObjectExists(f"{key} exists already.") from None
                raise
            if size > self._single_put_bytes:
                # Several can complete at the same time: the object says whose it is.
                found = self._head(name)
                if found is None or Description.of(found["Metadata"]).nonce != nonce:
                    raise ObjectExists(f"{key} exists already.")
        version = version_of(answer["ETag"], nonce)
        return ObjectInfo(key, size, version, content_type, _date(answer), dict(metadata))

    def replace(self, key: str, data: bytes, *, expected: str | None) -> ObjectInfo:
        if len(data) > MAX_SMALL_OBJECT:
            raise ValueError(f"{key}: {len(data)} bytes are too many for a small object")
        name = self._name(key)
        condition = {"IfNoneMatch": "*"} if expected is None else {"IfMatch": etag_of(expected)}
        request = {
            "Bucket": self._bucket,
            "Key": name,
            "Body": padded(data),
            "ContentType": "application/json",
            "CacheControl": "no-store",
            "Metadata": document_metadata(),
        }
        with self._failing_as(f"write {key}"):
            if expected is not None and has_nonce(expected) and self._version(name) != expected:
                raise _mismatch(key)
            try:
                answer = decided(lambda: self._connections.call().put_object(**request, **condition))
            except ClientError as error:
                # Of a missing object AWS says that there is none, and others that the condition failed.
                if is_precondition(error) or is_missing(error):
                    raise _mismatch(key) from None
                raise
        return ObjectInfo(
            key, len(data), version_of(answer["ETag"], ""), "application/json", _date(answer), {}
        )

    def stat(self, key: str) -> ObjectInfo | None:
        name = self._name(key)
        with self._failing_as(f"look up {key}"):
            found = self._head(name)
            return None if found is None else self._info(name, found)

    def get(self, key: str) -> tuple[bytes, ObjectInfo] | None:
        name = self._name(key)
        with self._failing_as(f"read {key}"):
            answer = self._found(self._connections.call(), name)
            if answer is None:
                return None
            with closing(answer["Body"]) as body:
                info = self._info(name, answer)
                if info.size > MAX_SMALL_OBJECT:
                    raise ValueError(f"{key}: {info.size} bytes are too many for a small object")
                return body.read()[: info.size], info

    def download(self, key: str, target: Path) -> ObjectInfo | None:
        name = self._name(key)
        with self._failing_as(f"download {key}"):
            for attempt in range(_DOWNLOAD_TRIES):
                try:
                    return self._downloaded(name, target)
                except S3_ERRORS:
                    if attempt == _DOWNLOAD_TRIES - 1:
                        raise
        raise AssertionError("unreachable")

    def list(self, prefix: str, *, limit: int = MAX_LISTED, cursor: str | None = None) -> Page:
        """Some stores (SeaweedFS) list `a/b` before `a-b`: there, only the objects of one page are sorted. A
        page can have fewer objects than `limit` before the last one: facts are left out."""
        client = self._connections.call if self._lists_fast else self._connections.patient
        request = {"Bucket": self._bucket, "Prefix": self._prefix + prefix, "MaxKeys": min(limit, MAX_LISTED)}
        if cursor is not None:
            request["ContinuationToken"] = cursor
        with self._failing_as(f"list {prefix}"):
            answer = client().list_objects_v2(**request)
            names = [found["Key"] for found in answer.get("Contents", []) if not found["Key"].endswith("/")]
            objects = self._described(names)
        cursor = answer.get("NextContinuationToken") if answer.get("IsTruncated") else None
        return Page(tuple(sorted(objects, key=lambda info: info.key)), cursor)

    def delete(self, key: str, *, expected: str | None = None) -> bool:
        name = self._name(key)
        with self._failing_as(f"delete {key}"):
            for _ in range(_READ_TRIES):
                # Asked first, as the store answers the same whether there was an object or not.
                found = self._head(name)
                if found is None:
                    return False
                if expected is not None and _version(found) != expected:
                    raise _mismatch(key)
                if self._delete(name, found["ETag"]):
                    facts = Description.of(found["Metadata"]).facts
                    if facts is not None:
                        self._connections.call().delete_object(Bucket=self._bucket, Key=_beside(name, facts))
                    return True
        raise StoreUnavailable(f"Could not delete {key}: it changes faster than it can be read.")

    def sign(self, key: str, *, filename: str, seconds: float) -> SignedUrl:
        request = {
            "Bucket": self._bucket,
            "Key": self._name(key),
            "ResponseContentDisposition": attachment(filename),
        }
        return self._signed(key, "get_object", request, seconds)

    def sign_upload(
        self, key: str, *, size: int, content_type: str, seconds: float, origin: str | None = None
    ) -> UploadTarget:
        headers = {"Content-Type": content_type, "If-None-Match": "*"}
        request = {"Bucket": self._bucket, "Key": self._name(key), "ContentLength": size}
        request |= {"ContentType": content_type, "IfNoneMatch": "*"}
        signed = self._signed(key, "put_object", request, seconds)
        return UploadTarget(signed.url, headers, signed.expires_at)

    def server_time(self) -> datetime:
        with self._failing_as("ask for the store's time"):
            answer = self._connections.call().head_bucket(Bucket=self._bucket)
        return _date(answer)

    def uri(self, key: str) -> str:
        return f"s3://{self._bucket}/{self._name(key)}"

    def path_name(self, key: str) -> str:
        return self._name(key)

    def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        self._connections.close()

    def _name(self, key: str) -> str:
        return self._prefix + check_key(key)

    def _signed(self, key: str, operation: str, request: Mapping[str, Any], seconds: float) -> SignedUrl:
        try:
            return signed_url(self._connections, operation, request, seconds)
        except S3_ERRORS as error:
            raise unsignable(key, self._bucket, error) from error

    def _upload(self, request: Mapping[str, Any], file: IO[bytes], size: int) -> Any:
        client = self._connections.upload()
        if size > self._single_put_bytes:
            return decided(lambda: upload_parts(client, request, file, size, self._part_bytes))

        def put() -> Any:
            file.seek(0)
            return client.put_object(**request, Body=file, IfNoneMatch="*")

        return decided(put)

    def _put_facts(self, key: str, metadata: Mapping[str, str]) -> str | None:
        """Write the metadata that have no room in the object's own. Returns the name of their object."""
        facts = facts_of(metadata)
        if facts is None:
            return None
        client = self._connections.upload()
        for beside in facts_keys(key, facts):
            name = self._name(beside)
            request = {"Bucket": self._bucket, "Key": name, "Body": facts, "Metadata": facts_metadata()}
            try:
                put = {**request, "ContentType": "application/json", "IfNoneMatch": "*"}
                decided(lambda put=put: client.put_object(**put))  # type: ignore[misc]
            except ClientError as error:
                if not is_precondition(error):
                    raise
                # Written by an earlier attempt, or by another agent that is at the same clip.
                if self._content(name) != facts:
                    continue
            return name.rpartition("/")[2]
        raise StoreUnavailable(f"Could not create {key}: {name} is taken by another object.")

    def _content(self, name: str) -> bytes | None:
        answer = self._found(self._connections.call(), name)
        if answer is None:
            return None
        with closing(answer["Body"]) as body:
            return bytes(body.read())

    def _found(self, client: Any, name: str) -> Any:
        """The response with an object's content; None when there is none."""
        try:
            return client.get_object(Bucket=self._bucket, Key=name)
        except ClientError as error:
            if is_missing(error):
                return None
            raise

    def _head(self, name: str) -> Any:
        """The response with an object's description; None when there is none, or no such bucket."""
        try:
            return self._connections.call().head_object(Bucket=self._bucket, Key=name)
        except ClientError as error:
            if is_missing(error):
                return None
            raise

    def _version(self, name: str) -> str | None:
        found = self._head(name)
        return None if found is None else _version(found)

    def _info(self, name: str, found: Mapping[str, Any]) -> ObjectInfo:
        described = Description.of(found["Metadata"])
        pairs = described.pairs
        if described.facts is not None:
            # Without its facts, as when a lifecycle rule has just deleted them, it still has the short pairs.
            pairs = parse_pairs(self._content(_beside(name, described.facts)) or b"") or pairs
        return ObjectInfo(
            key=name.removeprefix(self._prefix),
            size=int(found["ContentLength"]) - described.padding,
            version=_version(found),
            content_type=found.get("ContentType") or "application/octet-stream",
            created_at=found["LastModified"].astimezone(UTC),
            metadata=dict(pairs),
        )

    def _described(self, names: Sequence[str]) -> Iterator[ObjectInfo]:
        """The objects that still exist and are not facts of another one."""

        def look_up(name: str) -> ObjectInfo | None:
            found = self._head(name)
            if found is None or Description.of(found["Metadata"]).is_facts:
                return None
            return self._info(name, found)

        if len(names) < 2:
            found = [look_up(name) for name in names]
        else:
            with ThreadPoolExecutor(min(_LOOKUPS, len(names)), thread_name_prefix="list") as pool:
                found = list(pool.map(look_up, names))
        return (info for info in found if info is not None)

    def _downloaded(self, name: str, target: Path) -> ObjectInfo | None:
        answer = self._found(self._connections.patient(), name)
        if answer is None:
            return None
        with closing(answer["Body"]) as body, target.open("wb") as file:
            info = self._info(name, answer)
            for piece in body.iter_chunks(_PIECE):
                file.write(piece)
            file.truncate(info.size)
        return info

    def _delete(self, name: str, etag: str) -> bool:
        """Delete the object if it still has this ETag; whether it had."""
        client = self._connections.call()
        try:
            decided(lambda: client.delete_object(Bucket=self._bucket, Key=name, IfMatch=etag))
        except ClientError as error:
            if is_unsupported(error):  # a store without conditional deletes
                client.delete_object(Bucket=self._bucket, Key=name)
                return True
            if is_precondition(error) or is_missing(error):
                return False
            raise
        return True

    @contextmanager
    def _failing_as(self, action: str) -> Iterator[None]:
        try:
            yield
        except S3_ERRORS as error:
            raise unavailable(action, self._bucket, error) from error


def _version(found: Mapping[str, Any]) -> str:
    return version_of(found["ETag"], Description.of(found["Metadata"]).nonce)


def _beside(name: str, other: str) -> str:
    return name[: name.rfind("/") + 1] + other


def _mismatch(key: str) -> VersionMismatch:
    return VersionMismatch(f"{key} has another version than the expected one.")


def _date(answer: Mapping[str, Any]) -> datetime:
    try:
        stated = answer["ResponseMetadata"]["HTTPHeaders"]["date"]
        return parsedate_to_datetime(stated).astimezone(UTC)
    except (KeyError, ValueError):
        raise StoreUnavailable("The store's response has no valid Date header.") from None
