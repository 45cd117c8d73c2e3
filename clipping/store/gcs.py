"""Google Cloud Storage, or the emulator in `STORAGE_EMULATOR_HOST`. A version is a generation.

Coordination calls (all but `create`, `download` and `list`) have short timeouts and are not retried: the
library's defaults, a minute for a call and two for its retries, would outlast a lease. The caller decides
whether to retry.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from google.api_core.exceptions import NotFound, PreconditionFailed
from google.auth.transport.requests import AuthorizedSession
from google.cloud.storage import Blob, Bucket, Client
from google.cloud.storage.retry import DEFAULT_RETRY

from clipping.errors import ObjectExists, StoreUnavailable, VersionMismatch
from clipping.store.cors import gcs_rules
from clipping.store.disposition import attachment
from clipping.store.gcs_credentials import Identity, identity
from clipping.store.gcs_failures import GCS_ERRORS, bucket_is_missing, unavailable, unsignable
from clipping.store.gcs_lifecycle import with_rules
from clipping.store.port import MAX_SMALL_OBJECT, ObjectInfo, Page, SignedUrl, UploadTarget, check_key

CALL_SECONDS = 4.0
_LIST_SECONDS = 10.0
_UPLOAD_SECONDS = 60.0
"""How long an upload may make no progress."""
_UPLOAD_RETRY_SECONDS = 120.0
_DOWNLOAD_SECONDS = 15.0
"""How long a download may make no progress."""
_DOWNLOAD_RETRY_SECONDS = 30.0
_READ_TRIES = 10
MAX_SIGNED_SECONDS = 7 * 24 * 3600
"""The maximum lifetime of V4 signatures."""
RESUMABLE_BYTES = 100_000_000
"""Uploads above this size get a session, in which one that breaks off can go on."""
SESSION_LIFE = timedelta(days=7)
"""How long Cloud Storage keeps a session ("Resumable uploads" in its documentation)."""


class GcsStore:
    """A bucket. Connects on the first call; without credentials every call raises `StoreUnavailable`.

    `chunk_bytes` is the size of one upload request for clips above 8 MiB, a multiple of 256 KiB: an
    interruption repeats at most one chunk. Smaller clips are uploaded in one request.

    `call_seconds` limits each request, except uploads and downloads. If it is set, it also limits `list`,
    which is otherwise retried for 10 s: coordination needs a fast result or a fast failure.
    """

    def __init__(
        self,
        bucket: str,
        *,
        prefix: str = "",
        chunk_bytes: int = 16 << 20,
        call_seconds: float | None = None,
        credentials: Path | None = None,
    ) -> None:
        """`credentials`: a service account's key file; None: from the environment."""
        self._name = bucket
        self._credentials = credentials
        self._prefix = prefix
        self._chunk_bytes = chunk_bytes
        self._call_seconds = call_seconds or CALL_SECONDS
        self._list_seconds = call_seconds or _LIST_SECONDS
        self._list_retry = None if call_seconds else DEFAULT_RETRY.with_timeout(_LIST_SECONDS)
        self._lock = threading.Lock()
        self._connected: tuple[Bucket, Identity, AuthorizedSession] | None = None

    def create(self, key: str, source: Path, *, content_type: str, metadata: Mapping[str, str]) -> ObjectInfo:
        blob = self._blob(key, chunk_size=self._chunk_bytes)
        blob.metadata = dict(metadata)
        with source.open("rb") as file, self._failing_as(f"create {key}"):
            # The precondition is authoritative; checking first saves uploading a clip that exists already.
            if self.stat(key) is not None:
                raise ObjectExists(f"{key} exists already.")
            try:
                blob.upload_from_file(
                    file,
                    size=source.stat().st_size,
                    content_type=content_type,
                    if_generation_match=0,
                    timeout=_UPLOAD_SECONDS,
                    retry=DEFAULT_RETRY.with_timeout(_UPLOAD_RETRY_SECONDS),
                )
            except PreconditionFailed:
                raise ObjectExists(f"{key} exists already.") from None
        return self._info(blob)

    def replace(self, key: str, data: bytes, *, expected: str | None) -> ObjectInfo:
        if len(data) > MAX_SMALL_OBJECT:
            raise ValueError(f"{key}: {len(data)} bytes are too many for a small object")
        blob = self._blob(key)
        blob.cache_control = "no-store"
        with self._failing_as(f"write {key}"):
            try:
                blob.upload_from_string(
                    data,
                    content_type="application/json",
                    if_generation_match=0 if expected is None else int(expected),
                    timeout=self._call_seconds,
                    retry=None,
                )
            except (PreconditionFailed, NotFound) as error:
                if bucket_is_missing(error):
                    raise
                raise _mismatch(key) from None
        return self._info(blob)

    def stat(self, key: str) -> ObjectInfo | None:
        with self._failing_as(f"look up {key}"):
            blob = self._found(key)
        return self._info(blob) if blob else None

    def get(self, key: str) -> tuple[bytes, ObjectInfo] | None:
        with self._failing_as(f"read {key}"):
            for _ in range(_READ_TRIES):
                found = self._found(key)
                if found is None:
                    return None
                if found.size > MAX_SMALL_OBJECT:
                    raise ValueError(f"{key}: {found.size} bytes are too many for a small object")
                pinned = self._blob(key, generation=found.generation)
                try:
                    return pinned.download_as_bytes(timeout=self._call_seconds, retry=None), self._info(found)
                except NotFound:
                    continue  # replaced or deleted in between
        raise StoreUnavailable(f"Could not read {key}: it changes faster than it can be read.")

    def download(self, key: str, target: Path) -> ObjectInfo | None:
        with self._failing_as(f"download {key}"):
            for _ in range(_READ_TRIES):
                found = self._found(key)
                if found is None:
                    return None
                pinned = self._blob(key, generation=found.generation)
                try:
                    pinned.download_to_filename(
                        str(target),
                        timeout=_DOWNLOAD_SECONDS,
                        retry=DEFAULT_RETRY.with_timeout(_DOWNLOAD_RETRY_SECONDS),
                    )
                except NotFound:
                    continue  # replaced or deleted in between
                return self._info(found)
        raise StoreUnavailable(f"Could not download {key}: it changes faster than it can be read.")

    def list(self, prefix: str, *, limit: int = 1000, cursor: str | None = None) -> Page:
        with self._failing_as(f"list {prefix}"):
            bucket, _, _ = self._connect()
            blobs = bucket.client.list_blobs(
                bucket,
                prefix=self._prefix + prefix,
                page_size=limit,
                page_token=cursor,
                timeout=self._list_seconds,
                retry=self._list_retry,
            )
            objects = tuple(self._info(blob) for blob in next(blobs.pages, ()))
        return Page(objects, blobs.next_page_token)

    def delete(self, key: str, *, expected: str | None = None) -> bool:
        with self._failing_as(f"delete {key}"):
            generation = None
            if expected is not None:
                # Checked first, as a failed precondition does not say whether the object exists.
                found = self._found(key)
                if found is None:
                    return False
                if str(found.generation) != expected:
                    raise _mismatch(key)
                generation = found.generation
            try:
                self._blob(key).delete(if_generation_match=generation, timeout=self._call_seconds, retry=None)
            except PreconditionFailed:
                raise _mismatch(key) from None
            except NotFound as error:
                if bucket_is_missing(error):
                    raise
                return False
        return True

    def sign(self, key: str, *, filename: str, seconds: float) -> SignedUrl:
        blob = self._blob(key)
        who = self._connect()[1]
        try:
            url = blob.generate_signed_url(
                version="v4",
                method="GET",
                expiration=timedelta(seconds=min(seconds, MAX_SIGNED_SECONDS)),
                response_disposition=attachment(filename),
                credentials=who.signing(),
            )
        except GCS_ERRORS as error:
            raise unsignable(key, who.email, error) from error
        return SignedUrl(url, _expiry(url))

    def sign_upload(
        self, key: str, *, size: int, content_type: str, seconds: float, origin: str | None = None
    ) -> UploadTarget:
        if size > RESUMABLE_BYTES:
            return self._upload_session(key, size, content_type, origin)
        blob, who = self._blob(key), self._connect()[1]
        headers = {
            "Content-Type": content_type,
            "x-goog-if-generation-match": "0",
            "x-goog-content-length-range": f"{size},{size}",
        }
        try:
            url = blob.generate_signed_url(
                version="v4",
                method="PUT",
                expiration=timedelta(seconds=min(seconds, MAX_SIGNED_SECONDS)),
                headers=dict(headers),  # the library adds to it
                credentials=who.signing(),
            )
        except GCS_ERRORS as error:
            raise unsignable(key, who.email, error) from error
        return UploadTarget(url, headers, _expiry(url))

    def _upload_session(self, key: str, size: int, content_type: str, origin: str | None) -> UploadTarget:
        """A session of Cloud Storage, which takes the file in one PUT, or in several if one breaks off."""
        blob = self._blob(key)
        with self._failing_as(f"begin an upload to {key}"):
            begun = datetime.now(UTC)
            url = blob.create_resumable_upload_session(
                content_type=content_type,
                size=size,
                origin=origin,  # only its pages may then upload from a browser
                if_generation_match=0,
                timeout=self._call_seconds,
                retry=None,
            )
        return UploadTarget(url, {"Content-Type": content_type}, begun + SESSION_LIFE, resumable=True)

    def server_time(self) -> datetime:
        with self._failing_as("ask for the store's time"):
            bucket, _, session = self._connect()
            url = f"{bucket.client.api_endpoint}/storage/v1/b/{quote(self._name)}/o"
            answer = session.get(
                url, params={"maxResults": "1", "fields": "kind"}, timeout=self._call_seconds
            )
        try:
            return parsedate_to_datetime(answer.headers["Date"]).astimezone(UTC)
        except (KeyError, ValueError):
            raise StoreUnavailable("The store's response has no valid Date header.") from None

    def uri(self, key: str) -> str:
        return f"gs://{self._name}/{self._prefix}{check_key(key)}"

    def path_name(self, key: str) -> str:
        return self.uri(key)

    def keep_for(self, lives: Mapping[str, int], *, dry_run: bool) -> Sequence[str]:
        """Set the bucket to delete objects under each prefix after these days. Returns the prefixes for which
        that was not set already."""
        with self._failing_as("set how long clips are kept"):
            bucket, _, _ = self._connect()
            bucket.reload(timeout=_LIST_SECONDS, retry=None)
            wanted = {self._prefix + prefix: days for prefix, days in lives.items()}
            rules, changed = with_rules(list(bucket.lifecycle_rules), wanted)
            if changed and not dry_run:
                bucket.lifecycle_rules = rules
                bucket.patch(timeout=_LIST_SECONDS, retry=None)
        return [prefix.removeprefix(self._prefix) for prefix in changed]

    def allow_uploads(self, origins: Sequence[str], *, dry_run: bool) -> bool:
        """Set the bucket to let pages of these origins upload. False when that is set already."""
        with self._failing_as("set which pages may upload"):
            bucket, _, _ = self._connect()
            bucket.reload(timeout=_LIST_SECONDS, retry=None)
            rules = gcs_rules(bucket.cors, origins)
            if rules is not None and not dry_run:
                bucket.cors = rules
                bucket.patch(timeout=_LIST_SECONDS, retry=None)
        return rules is not None

    def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        with self._lock:
            connected, self._connected = self._connected, None
        if connected is not None:
            connected[0].client.close()
            connected[2].close()

    def _connect(self) -> tuple[Bucket, Identity, AuthorizedSession]:
        with self._lock:
            if self._connected is None:
                who = identity(self._credentials)
                client = Client(project=None, credentials=who.transport)
                self._connected = client.bucket(self._name), who, AuthorizedSession(who.transport)
            return self._connected

    def _blob(self, key: str, **arguments: Any) -> Blob:
        name = self._prefix + check_key(key)
        with self._failing_as("connect to the store"):
            return self._connect()[0].blob(name, **arguments)

    def _found(self, key: str) -> Blob | None:
        blob = self._blob(key)
        try:
            blob.reload(timeout=self._call_seconds, retry=None)
        except NotFound as error:
            if bucket_is_missing(error):
                raise
            return None
        return blob

    def _info(self, blob: Blob) -> ObjectInfo:
        return ObjectInfo(
            key=blob.name.removeprefix(self._prefix),
            size=int(blob.size),
            version=str(blob.generation),
            content_type=blob.content_type or "application/octet-stream",
            created_at=blob.time_created,
            metadata=dict(blob.metadata or {}),
        )

    @contextmanager
    def _failing_as(self, action: str) -> Iterator[None]:
        try:
            yield
        except GCS_ERRORS as error:
            raise unavailable(action, self._name, error) from error


def _mismatch(key: str) -> VersionMismatch:
    return VersionMismatch(f"{key} has another version than the expected one.")


def _expiry(url: str) -> datetime:
    """When a V4 link expires, from its signed parameters and not from another clock."""
    query = parse_qs(urlsplit(url).query)
    begin = datetime.strptime(query["X-Goog-Date"][0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return begin + timedelta(seconds=int(query["X-Goog-Expires"][0]))
